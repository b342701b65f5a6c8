-- +goose Up
-- Who takes part. One applied file is one picture: everything is written under the version row, whose number
-- tells every node that there is a newer picture. What a file no longer names is made inactive, never deleted,
-- since registrations, documents and the audit trail go on naming it.
set local citus.multi_shard_modify_mode to 'sequential';

create table directory.version (
    id smallint not null,
    version bigint not null,
    changed_at timestamptz not null,
    constraint version_pkey primary key (id),
    constraint version_single check (id = 1)
);
comment on table directory.version is 'group R: one row; its number moves with every applied file';

insert into directory.version (id, version, changed_at) values (1, 0, now());

create table directory.organization (
    org_id text not null,
    parent_id text,
    name text not null,
    identifier text not null,
    kind text not null,
    jurisdiction text not null,
    active boolean not null,
    constraint organization_pkey primary key (org_id),
    constraint organization_identifier_key unique (identifier),
    constraint organization_parent_fkey foreign key (parent_id) references directory.organization (org_id)
);
comment on table directory.organization is 'group R: participants and their units';

create table directory.site (
    site_id text not null,
    org_id text not null,
    name text not null,
    zone text not null,
    jurisdiction text not null,
    regimes text[] not null,
    labelled boolean not null,
    privileged_roles text[] not null,
    publishes boolean not null,
    active boolean not null,
    constraint site_pkey primary key (site_id),
    constraint site_organization_fkey foreign key (org_id) references directory.organization (org_id)
);
comment on table directory.site is 'group R: places that register patients';

create table directory.site_authority (
    system text not null,
    site_id text not null,
    rank integer not null,
    constraint site_authority_pkey primary key (system),
    constraint site_authority_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.site_authority is 'group R: identifier systems a site assigns, in order; each belongs to one site';

create table directory.endpoint (
    endpoint_id text not null,
    site_id text not null,
    rank integer not null,
    protocol text not null,
    address text not null,
    permits integer not null,
    capability jsonb not null,
    constraint endpoint_pkey primary key (endpoint_id),
    constraint endpoint_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.endpoint is 'group R: addresses at which sites answer, in order';

create table directory.consent_default (
    rank integer not null,
    network boolean not null,
    site_id text,
    jurisdiction text not null,
    purpose_class text not null,
    category text not null,
    rule text not null,
    constraint consent_default_pkey primary key (rank),
    constraint consent_default_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.consent_default is 'group R: what holds when no directive speaks, in the order of the file';
