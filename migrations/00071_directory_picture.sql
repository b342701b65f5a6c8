-- +goose Up
-- Every picture of the directory there was, so that a decision can be explained as of its own day. The first one kept is
-- the one before the first change after this migration.
set local citus.multi_shard_modify_mode to 'sequential';

create table directory.picture (
    version bigint not null,
    since timestamptz not null,
    content bytea not null,
    constraint picture_pkey primary key (version)
);
comment on table directory.picture is 'group R: pictures that were applied, as the file that makes them';
