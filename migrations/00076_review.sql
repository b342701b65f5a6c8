-- +goose Up
-- Emergency reviews age, are escalated, and are contested by those whose records were opened.
set local citus.multi_shard_modify_mode to 'sequential';

alter table consent.review_task
    add column owners text[] not null default '{}',
    add column escalated timestamptz,
    add column contested timestamptz,
    add column contested_by text not null default '',
    add column contest text not null default '';
create index review_task_claimant on consent.review_task (org, user_id, opened);

-- Disclosures to an agency that asked, in law, that the patient not be told of them until a day.
create table consent.suspension (
    sp_id bigint not null,
    suspension_id bigint not null,
    recipient text not null,
    ground text not null,
    since timestamptz not null,
    until timestamptz not null,
    recorded_by text not null,
    constraint suspension_pkey primary key (sp_id, suspension_id),
    constraint suspension_bounds check (since < until)
);
comment on table consent.suspension is 'group S: accounting suspended for an agency (45 CFR 164.528(a)(2))';
