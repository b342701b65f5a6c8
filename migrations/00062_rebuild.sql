-- +goose Up
-- How far a rebuild of features, keys and links for one model has come, so that one that was stopped goes on.
set local citus.multi_shard_modify_mode to 'sequential';

create table mpi.rebuild (
    target text not null,
    pass smallint not null,
    after_id bigint not null,
    seen bigint not null,
    changed bigint not null,
    moved bigint not null,
    updated timestamptz not null,
    constraint rebuild_pkey primary key (target),
    constraint rebuild_pass check (pass in (1, 2, 3))
);
comment on table mpi.rebuild is 'group L: progress of a rebuild; pass 1 rewrites features and keys, 2 weighs neighbourhoods, 3 is done';
