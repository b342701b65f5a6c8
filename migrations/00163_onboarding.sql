-- +goose Up
-- What a site's way to its go-live rests on besides what the exchange measures anyway: agreements and people to turn to, which
-- are recorded, and trials, of which the last of each kind counts. What was wrong with what it published is counted by reason.
set local citus.multi_shard_modify_mode to 'sequential';

create table directory.agreement (
    site_id text not null,
    number bigint not null,         -- from 1; nothing is changed or removed
    kind text not null,
    signed_by text not null,
    valid_from date not null,
    valid_until date,               -- the last day; null for no end
    document_hash text not null,    -- SHA-256 of what was signed, in hex
    recorded timestamptz not null,
    organization text not null,     -- who recorded it
    person text not null,
    constraint agreement_pkey primary key (site_id, number),
    constraint agreement_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.agreement is 'group R: what was signed with a site';

create table directory.contact (
    site_id text not null,
    role text not null,             -- technical, privacy, on-call
    name text not null,
    email text not null,
    phone text not null,
    changed timestamptz not null,
    constraint contact_pkey primary key (site_id, role),
    constraint contact_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.contact is 'group R: whom to turn to at a site';

create table directory.trial (
    site_id text not null,
    kind text not null,             -- query, alert
    at timestamptz not null,
    passed boolean not null,
    detail text not null,           -- a coded reason, or what was measured; names no patient
    took_us bigint not null,
    constraint trial_pkey primary key (site_id, kind),
    constraint trial_site_fkey foreign key (site_id) references directory.site (site_id)
);
comment on table directory.trial is 'group R: the last trial of each kind';

create table directory.publish_refusal (
    org_id text not null,
    reason text not null,           -- place and rule; quotes nothing that was sent
    n bigint not null,
    last timestamptz not null,
    constraint publish_refusal_pkey primary key (org_id, reason)
);
comment on table directory.publish_refusal is 'group R: why what an organisation that is not live sent to publish was refused';
