-- +goose Up
-- How the sites are: what calling them was like, a minute and node a row, whether they answer now and since when, and what
-- their endpoints say of themselves. Each node writes its own rows whole, so that a write may be repeated. Rows older than
-- two days are swept away.
set local citus.multi_shard_modify_mode to 'sequential';

create table federation.site_minute (
    site_id text not null,
    operation text not null,
    minute timestamptz not null,
    node bigint not null,           -- one run of one node
    answered bigint not null,
    refused bigint not null,
    failed bigint not null,
    late bigint not null,
    skipped bigint not null,
    took bigint[] not null,         -- how many calls took how long (federation.Tally), empty places at the end left out
    constraint site_minute_pkey primary key (site_id, minute, operation, node)
);
create index site_minute_time on federation.site_minute (minute);
comment on table federation.site_minute is 'group L: calls of sites, counted by minute and node';

create table federation.site_state (
    site_id text not null,
    state text not null,
    since timestamptz not null,
    last_answer timestamptz,
    last_publish timestamptz,
    constraint site_state_pkey primary key (site_id)
);
comment on table federation.site_state is 'group L: whether a site answers, since when, and when it last answered and published';

create table federation.endpoint_probe (
    endpoint_id text not null,
    site_id text not null,
    next timestamptz not null,      -- when it is asked next; moving it is the claim of who asks
    asked timestamptz,
    took_us bigint not null default 0,
    fate text not null default '',
    reason text not null default '',
    software text not null default '',
    version text not null default '',
    fhir_version text not null default '',
    certificate_until timestamptz,  -- null where there is no TLS
    constraint endpoint_probe_pkey primary key (endpoint_id)
);
comment on table federation.endpoint_probe is 'group L: what an endpoint last said of itself';
