-- +goose Up
-- What privacy officers look for in the trail again and again. A search belongs to the person who saved it.
set local citus.multi_shard_modify_mode to 'sequential';

create table audit.saved_search (
    owner text not null,            -- organization/user
    search_id bigint not null,
    name text not null,
    days int not null,              -- how far back it looks
    org text not null,
    user_id text not null,
    kind text not null,
    outcome text not null,
    purpose text not null,
    emergency boolean not null,
    sp_id bigint not null,          -- the record it is about, 0 for any
    saved timestamptz not null,
    constraint saved_search_pkey primary key (owner, search_id),
    constraint saved_search_name unique (owner, name)
);
comment on table audit.saved_search is 'group L: searches of the trail that privacy officers keep';
