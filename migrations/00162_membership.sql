-- +goose Up
-- How far a site takes part, and the steps that led there. Sites from before are live; so are those that a program enters
-- which does not know of memberships.
set local citus.multi_shard_modify_mode to 'sequential';

alter table directory.site
    add column membership text not null default 'live',
    add constraint site_membership check (membership in ('joining', 'live', 'suspended'));

create table directory.site_step (
    site_id text not null,
    number bigint not null,         -- from 1
    move text not null,
    at timestamptz not null,
    organization text not null,     -- who took it
    person text not null,
    note text not null,
    checks bytea not null,          -- how the checks stood, JSON (directory/directorypg/step.go)
    constraint site_step_pkey primary key (site_id, number),
    constraint site_step_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.site_step is 'group R: proposals, approvals and suspensions of sites; nothing is changed or removed';
