-- +goose Up
-- How requests went, for operators, by request id: one row a request, written some time after its answer. Unlogged: what
-- is lost at a crash is no loss but to whoever was following a request just then.
set local citus.multi_shard_modify_mode to 'sequential';

create unlogged table federation.trace (
    trace_id bigint not null,
    request text not null,
    ended timestamptz not null,
    body bytea not null,            -- JSON (federation/federationpg/trace.go)
    constraint trace_pkey primary key (trace_id)
);
create index trace_request on federation.trace (request);
create index trace_ended on federation.trace (ended);
comment on table federation.trace is 'group L: how requests went; swept away after a day';
