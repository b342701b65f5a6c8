-- +goose Up
-- Care teams that directives name, version by version: what a decision took a membership for stays known. Versions are only
-- inserted; the key decides which of two writers of one version was first. Members stand in the row, so that one read of it
-- sees all of a version or none.
set local citus.multi_shard_modify_mode to 'sequential';

create table directory.care_team (
    team_id text not null,
    version bigint not null,
    org_id text not null,
    name text not null,
    members jsonb not null,
    recorded timestamptz not null,
    recorded_by text not null,
    recorded_org text not null,
    constraint care_team_pkey primary key (team_id, version),
    constraint care_team_version check (version > 0),
    constraint care_team_organization_fkey foreign key (org_id) references directory.organization (org_id)
);
comment on table directory.care_team is 'group R: care teams and their members, by version';
create index care_team_org on directory.care_team (org_id, team_id);
