-- +goose Up
-- What patients have said about disclosure, and emergency claims. A directive names a source patient and lies in
-- the same row group as the epoch that guards it (locator.subject): both change in one transaction, on one
-- shard (spec scale-out section 5, "Epoch" and "Acknowledging").
set local citus.multi_shard_modify_mode to 'sequential';

-- Versions are only inserted: a new version, a revocation included, is a new row. by_patient tells a patient's
-- own client from their site. absolute, network_wide and return_to_default repeat what the content's
-- extensions (or their absence) mean, as settled when it was filed.
create table consent.directive (
    sp_id bigint not null,
    directive_id bigint not null,
    version bigint not null,
    status text not null,
    filed timestamptz not null,
    signed timestamptz,
    verified boolean not null,
    network_wide boolean not null,
    absolute boolean not null,
    return_to_default boolean not null,
    org text not null,
    by_patient boolean not null,
    content bytea not null,
    constraint directive_pkey primary key (sp_id, directive_id, version),
    constraint directive_version check (version > 0)
);
comment on table consent.directive is 'group S: one row a version of a directive, as received';

create table consent.emergency_grant (
    sp_id bigint not null,
    grant_id bigint not null,
    task_id bigint not null,
    org text not null,
    user_id text not null,
    role text not null,
    reason text not null,
    detail text not null,
    attested text[] not null,
    since timestamptz not null,
    until timestamptz not null,
    constraint emergency_grant_pkey primary key (sp_id, grant_id)
);
comment on table consent.emergency_grant is 'group S: one row a claim and record it covers, while it holds and after';

create table consent.review_task (
    task_id bigint not null,
    opened timestamptz not null,
    until timestamptz not null,
    org text not null,
    client text not null,
    user_id text not null,
    user_name text not null,
    role text not null,
    reason text not null,
    detail text not null,
    attested text[] not null,
    sp_ids bigint[] not null,
    closed timestamptz,
    closed_by text not null default '',
    finding text not null default '',
    note text not null default '',
    constraint review_task_pkey primary key (task_id),
    constraint review_task_finding check ((closed is null) = (finding = ''))
);
create index review_task_open on consent.review_task (task_id) where closed is null;
comment on table consent.review_task is 'group L: emergency claims for a privacy officer to review';
