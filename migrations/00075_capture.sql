-- +goose Up
-- How wishes are taken down and kept alive: what patients are asked to sign, what proves that they did, who may sign
-- for them, and what staff have to see to. Names of people stand only in the tables of group S and in tasks.
set local citus.multi_shard_modify_mode to 'sequential';

-- One row a version of a form. content is its words and its rule as JSON; a version is proposed by one person and put
-- in force by another.
create table consent.template (
    template_id text not null,
    version bigint not null,
    state text not null,
    content bytea not null,
    proposed timestamptz not null,
    proposed_by text not null,
    decided timestamptz,
    decided_by text not null default '',
    retired timestamptz,
    retired_by text not null default '',
    constraint template_pkey primary key (template_id, version),
    constraint template_state check (state in ('draft', 'active', 'rejected', 'retired')),
    constraint template_version check (version > 0)
);
comment on table consent.template is 'group R: forms patients sign, by version';

-- What a version of a directive rests on. content is the paper as received, or null when only its hash came.
create table consent.evidence (
    sp_id bigint not null,
    directive_id bigint not null,
    version bigint not null,
    evidence_id bigint not null,
    kind text not null,
    hash text not null,
    media_type text not null,
    size bigint not null,
    signer text not null,
    capacity text not null,
    witness text not null,
    method text not null,
    language text not null,
    template_id text not null,
    template_version bigint not null,
    content bytea,
    recorded timestamptz not null,
    constraint evidence_pkey primary key (sp_id, directive_id, version, evidence_id)
);
comment on table consent.evidence is 'group S: scans, signatures and attestations behind a version of a directive';

-- Versions are only inserted, as of directives: a proxy that ends early or was recorded in error is a new row.
create table consent.representative (
    sp_id bigint not null,
    representative_id bigint not null,
    version bigint not null,
    ref text not null,
    name text not null,
    capacity text not null,
    rights text not null,
    starts text not null,
    ends text not null,
    lapses timestamptz,
    evidence text not null,
    withdrawn boolean not null,
    recorded timestamptz not null,
    org text not null,
    constraint representative_pkey primary key (sp_id, representative_id, version),
    constraint representative_version check (version > 0)
);
comment on table consent.representative is 'group S: who may act for a patient, by version';

-- Findings about wishes that somebody must see to. One row a finding: its key claims it, so that looking twice opens
-- one task.
create table consent.desk_task (
    task_id bigint not null,
    kind text not null,
    sp_id bigint not null,
    directive_id bigint not null,
    version bigint not null,
    other_id bigint not null,
    mark text not null,
    org text not null,
    opened timestamptz not null,
    due timestamptz,
    detail text[] not null,
    closed timestamptz,
    closed_by text not null default '',
    finding text not null default '',
    note text not null default '',
    constraint desk_task_pkey primary key (task_id),
    constraint desk_task_claim unique (sp_id, kind, directive_id, version, other_id, mark),
    constraint desk_task_finding check ((closed is null) = (finding = ''))
);
create index desk_task_open on consent.desk_task (kind, task_id) where closed is null;
comment on table consent.desk_task is 'group L: conflicts, renewals, held and broken directives for staff';

-- What a patient is told besides their access history. A notice may be held back for a recorded reason of safety.
create table consent.notice (
    sp_id bigint not null,
    notice_id bigint not null,
    kind text not null,
    about bigint not null,
    created timestamptz not null,
    held_until timestamptz,
    held_by text not null default '',
    held_reason text not null default '',
    constraint notice_pkey primary key (sp_id, notice_id)
);
comment on table consent.notice is 'group S: notices to the patient of a record';
