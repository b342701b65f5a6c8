-- +goose Up
-- Who follows the outbox of identity changes, and how far it was pruned: a reader that asks for what is gone is told so.
set local citus.multi_shard_modify_mode to 'sequential';

create table mpi.notice_reader (
    name text not null,
    xact xid8 not null,
    notice_id bigint not null,
    registered timestamptz not null,
    seen timestamptz,
    constraint notice_reader_pkey primary key (name)
);
comment on table mpi.notice_reader is 'group L: readers for whom notices are kept, and what they have read';

create table mpi.notice_horizon (
    only_row boolean not null,
    xact xid8 not null,
    notice_id bigint not null,
    constraint notice_horizon_pkey primary key (only_row),
    constraint notice_horizon_one check (only_row)
);
comment on table mpi.notice_horizon is 'group L: the last notice that was pruned; no row while none was';
