-- +goose Up
-- Who is who. A registration is claimed by its identifier, found by its candidate keys, and a member of one
-- person; persons are only sets, so every change of links is rows here and nowhere else (DESIGN ideas 1 and 2;
-- spec scale-out sections 3 to 5).
set local citus.multi_shard_modify_mode to 'sequential';

-- claim is a 64-bit hash of system and value; the pair is in the key, so a collision is harmless.
create table mpi.identifier_key (
    claim bigint not null,
    system text not null,
    value text not null,
    sp_id bigint not null,
    constraint identifier_key_pkey primary key (claim, system, value)
) with (fillfactor = 90);
comment on table mpi.identifier_key is 'group C: which source patient a local identifier means; the row a registration locks';

-- person_id is a hint kept in step with person_member, which decides. birth is year*10000+month*100+day with
-- zeros for what is not known. keys are those the record is found under. body is demographics and received
-- bytes, packed by mpipg/pack.go.
create table mpi.source_patient (
    sp_id bigint not null,
    person_id bigint not null,
    alias_of bigint not null,
    version bigint not null,
    created timestamptz not null,
    updated timestamptz not null,
    birth integer not null,
    active boolean not null,
    site text not null,
    system text not null,
    value text not null,
    keys bigint[] not null,
    body bytea not null,
    constraint source_patient_pkey primary key (sp_id)
) with (fillfactor = 90);
create index source_patient_birth on mpi.source_patient (birth, sp_id) where birth > 0;
comment on table mpi.source_patient is 'group S: one site''s registration of somebody, as received';

-- features ride in the key row, so that candidates are scored from one statement on one table.
create table mpi.candidate_key (
    key bigint not null,
    sp_id bigint not null,
    live boolean not null,
    features bytea not null,
    constraint candidate_key_pkey primary key (key, sp_id)
);
comment on table mpi.candidate_key is 'group K: who is found under a key, with what is compared; live is false once withdrawn';

create table mpi.key_claim (
    key bigint not null,
    n integer not null,
    constraint key_claim_pkey primary key (key)
) with (fillfactor = 80);
comment on table mpi.key_claim is 'group K: how many live records share a key, counted up to the hub limit; the row that serialises equal newcomers';

create table mpi.name_term (
    sp_id bigint not null,
    term text collate "C" not null,
    constraint name_term_pkey primary key (term, sp_id)
);
comment on table mpi.name_term is 'group S: words of family ("f:") and given ("g:") names, for demographics search';

create table mpi.person (
    person_id bigint not null,
    version bigint not null,
    redirect bigint not null,
    constraint person_pkey primary key (person_id)
) with (fillfactor = 80);
comment on table mpi.person is 'group P: version moves with the person''s links; redirect is the person it was merged into, or 0';

create table mpi.person_member (
    person_id bigint not null,
    sp_id bigint not null,
    link smallint not null,
    site text not null,
    system text not null,
    value text not null,
    features bytea not null,
    constraint person_member_pkey primary key (person_id, sp_id),
    constraint person_member_link check (link in (0, 1, 2))
);
comment on table mpi.person_member is 'group P: who belongs to a person, with the features last accepted; decides';

-- Only ever added to. person_id is the person moved into or redirected; zero stands for none everywhere.
create table mpi.link_event (
    person_id bigint not null,
    event_id bigint not null,
    change_id bigint not null,
    kind text not null,
    at timestamptz not null,
    sp_id bigint not null,
    other_id bigint not null,
    from_person bigint not null,
    to_person bigint not null,
    from_link smallint not null,
    to_link smallint not null,
    cause text not null,
    from_verdict smallint,
    to_verdict smallint,
    from_alias bigint,
    to_alias bigint,
    was_active boolean,
    model text,
    grade smallint,
    bits real,
    evidence bytea,
    decided_by text,
    reason text,
    undoes bigint,
    constraint link_event_pkey primary key (person_id, event_id)
);
create index link_event_record on mpi.link_event (sp_id) where sp_id > 0;
create index link_event_change on mpi.link_event (change_id);
comment on table mpi.link_event is 'group P: every change of a link, with cause and evidence';

create table mpi.match_constraint (
    sp_id bigint not null,
    other_id bigint not null,
    verdict smallint not null,
    bits real not null,
    change_id bigint not null,
    at timestamptz not null,
    constraint match_constraint_pkey primary key (sp_id, other_id),
    constraint match_constraint_verdict check (verdict in (1, 2))
);
comment on table mpi.match_constraint is 'group S: a steward''s standing verdict about two source patients, one row for each end';

create table mpi.review_task (
    task_id bigint not null,
    kind text not null,
    sp_id bigint not null,
    other_id bigint not null,
    opened timestamptz not null,
    closed timestamptz,
    grade smallint not null,
    bits real not null,
    evidence bytea not null,
    missing text not null,
    verdict smallint not null,
    decided_by text not null,
    reason text not null,
    constraint review_task_pkey primary key (task_id)
);
create unique index review_task_once on mpi.review_task (kind, least(sp_id, other_id), greatest(sp_id, other_id)) where closed is null;
comment on table mpi.review_task is 'group L: what a steward is asked; open while closed is null, once for each pair';
