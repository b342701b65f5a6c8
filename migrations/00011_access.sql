-- +goose Up
-- Who may call: registered clients, what was ended before its time, and a number that tells every node that there is
-- something newer. A client is never deleted: the audit trail goes on naming it.
set local citus.multi_shard_modify_mode to 'sequential';

create table access.version (
    id smallint not null,
    version bigint not null,
    changed_at timestamptz not null,
    constraint access_version_pkey primary key (id),
    constraint access_version_single check (id = 1)
);
comment on table access.version is 'group R: one row; its number moves with every change in this schema';

insert into access.version (id, version, changed_at) values (1, 0, now());

create table access.client (
    client_id text not null,
    name text not null,
    organization_id text not null,
    status text not null,
    scopes text[] not null,         -- SMART v2 normal form
    purposes text[] not null,
    roles text[] not null,
    patient_access boolean not null,
    delegations jsonb not null,     -- [{"principal": org, "until": instant or absent}]
    jwks jsonb not null,            -- public keys only, each with its alg
    changed_at timestamptz not null,
    constraint client_pkey primary key (client_id),
    constraint client_organization_fkey foreign key (organization_id) references directory.organization (org_id)
);
comment on table access.client is 'group R: registered software, each acting for one organisation';

create table access.kill (
    kind text not null,             -- client, organization or user
    subject text not null,
    before timestamptz not null,    -- tokens issued earlier are dead
    constraint kill_pkey primary key (kind, subject),
    constraint kill_kind check (kind in ('client', 'organization', 'user'))
);
comment on table access.kill is 'group R: ends of all tokens of a client, an organisation or a user';

create table access.revoked (
    token_id text not null,
    client_id text not null,
    expires_at timestamptz not null, -- the row may go then
    constraint revoked_pkey primary key (token_id)
);
create index revoked_expires_at on access.revoked (expires_at);
comment on table access.revoked is 'group L: tokens ended one by one, until they would have ended by themselves';
