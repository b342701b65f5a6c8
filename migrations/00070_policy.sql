-- +goose Up
-- Policies: law packs, the network's rules and each site's. A version is content as received, with its signature; a
-- step is one event in the life of a policy. Both are only ever inserted, so what was in force at any instant, by whose
-- hand, can be said for ever. policy_set is one row: its number moves with every step and tells every node that there
-- is something new; whoever takes a step holds it, so steps come one after the other.
set local citus.multi_shard_modify_mode to 'sequential';

create table consent.policy_set (
    id smallint not null,
    version bigint not null,
    constraint policy_set_pkey primary key (id),
    constraint policy_set_single check (id = 1)
);
comment on table consent.policy_set is 'group R: one row; its number moves with every step of a policy';

insert into consent.policy_set (id, version) values (1, 0);

create table consent.policy_version (
    policy_id text not null,
    version bigint not null,
    content bytea not null,
    signature text not null,
    constraint policy_version_pkey primary key (policy_id, version),
    constraint policy_version_number check (version > 0)
);
comment on table consent.policy_version is 'group R: policies as received, with their signatures';

create table consent.policy_step (
    policy_id text not null,
    seq bigint not null,
    version bigint not null,
    action text not null,
    at timestamptz not null,
    by_whom text not null,
    effective timestamptz,
    note text not null,
    constraint policy_step_pkey primary key (policy_id, seq)
);
comment on table consent.policy_step is 'group R: drafts, simulations, approvals, activations and roll-backs, in order';
