-- +goose Up
-- What happened, and the Merkle log that proves nobody changed it afterwards. Rows are only ever inserted, but for
-- pending (emptied by the sequencer) and for a shredded event, whose salt and body become null.
set local citus.multi_shard_modify_mode to 'sequential';

create table audit.event (
    id uuid not null,               -- UUIDv7: ordered by time, so this key also serves searches by date
    recorded timestamptz not null,
    kind text not null,
    outcome text not null,
    org_id text not null,
    user_id text not null,
    salt bytea,                     -- 32 random bytes; null once shredded
    body bytea,                     -- canonical JSON (audit/auditpg/body.go); null once shredded
    constraint event_pkey primary key (id)
);
create index event_org on audit.event (org_id, id);
comment on table audit.event is 'group L: one row an event; kind, outcome, org_id, user_id and recorded repeat the body for searches';

create table audit.event_record (
    sp_id bigint not null,
    event_id uuid not null,
    constraint event_record_pkey primary key (sp_id, event_id)
);
comment on table audit.event_record is 'group L: which source patients an event touches; repeats the body for searches';

create table audit.pending (
    event_id uuid not null,
    leaf bytea not null,            -- hash of salt and body, taken when the event was written
    constraint pending_pkey primary key (event_id)
);
comment on table audit.pending is 'group L: events committed but not yet in the tree';

create table audit.leaf (
    seq bigint not null,            -- 0, 1, 2, … without gaps: places in the tree
    event_id uuid not null,
    hashes bytea not null,          -- 32 bytes each: the leaf hash, then each subtree hash this leaf completes, upwards
    constraint leaf_pkey primary key (seq),
    constraint leaf_event unique (event_id)
);
comment on table audit.leaf is 'group L: the tree, one row a leaf; written by the one sequencer';

create table audit.checkpoint (
    size bigint not null,           -- how many leaves the signed tree has
    note text not null,             -- the signed note (C2SP tlog-checkpoint)
    constraint checkpoint_pkey primary key (size)
);
comment on table audit.checkpoint is 'group L: signed tree heads, one a batch';
