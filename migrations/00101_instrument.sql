-- +goose Up
-- Legal bases on which others may ask about a patient, as a privacy officer verified them. Versions are only inserted.
set local citus.multi_shard_modify_mode to 'sequential';

create table consent.instrument (
    sp_id bigint not null,
    instrument_id bigint not null,
    version bigint not null,
    kind text not null,
    org text not null,
    purposes text[] not null,
    since timestamptz not null,
    until timestamptz,
    ground text not null,
    evidence text not null,
    verified_by text not null,
    recorded timestamptz not null,
    recorded_org text not null,
    constraint instrument_pkey primary key (sp_id, instrument_id, version),
    constraint instrument_version check (version > 0),
    constraint instrument_bounds check (until is null or since <= until)
);
comment on table consent.instrument is 'group S: court orders, reports law requires and the like, by version';
