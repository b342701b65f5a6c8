-- +goose Up
-- How far each bulk load of patients has come; moved in the transaction that stored the lines, so that a load that was
-- stopped goes on where it was.
set local citus.multi_shard_modify_mode to 'sequential';

create table mpi.feed (
    feed text not null,
    line bigint not null,
    created bigint not null,
    revised bigint not null,
    repeated bigint not null,
    rejected bigint not null,
    updated timestamptz not null,
    constraint feed_pkey primary key (feed)
);
comment on table mpi.feed is 'group L: how far each bulk load of patients has come; feed is a digest of the file';
