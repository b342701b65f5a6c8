-- +goose Up
-- The life of an identity: which records could be one person, so that a change re-evaluates everybody it may concern
-- and the outcome does not depend on the order of arrival; what a record said before; who works on a task; and an
-- outbox of identity changes (spec mpi section 6, 13 to 17).
set local citus.multi_shard_modify_mode to 'sequential';

-- Written with the registration that finds the pair, replaced when one of the two changes.
create table mpi.match_edge (
    sp_id bigint not null,
    other_id bigint not null,
    bits real not null,
    constraint match_edge_pkey primary key (sp_id, other_id)
);
comment on table mpi.match_edge is 'group S: pairs of records that evidence could join, one row for each end';

create table mpi.source_version (
    sp_id bigint not null,
    version bigint not null,
    since timestamptz not null,
    until timestamptz not null,
    active boolean not null,
    disputed boolean not null,
    body bytea not null,
    constraint source_version_pkey primary key (sp_id, version)
);
comment on table mpi.source_version is 'group S: what a registration said before, valid from since until until; the current version stands in source_patient';

-- xact orders rows by the transaction that wrote them: a reader that stays below the oldest transaction still
-- running misses none, whatever order they commit in.
create table mpi.identity_change (
    xact xid8 not null,
    notice_id bigint not null,
    at timestamptz not null,
    kind text not null,
    sp_id bigint not null,
    person_id bigint not null,
    former_id bigint not null,
    change_id bigint not null,
    constraint identity_change_pkey primary key (xact, notice_id)
);
comment on table mpi.identity_change is 'group L: outbox, one row for each record or person that changed; no demographics';

-- claimed_by works on the task until claimed_until. first_* is a verdict that waits for a second reviewer.
alter table mpi.review_task
    add column risk real not null default 0,
    add column claimed_by text not null default '',
    add column claimed_until timestamptz,
    add column first_verdict smallint not null default 0,
    add column first_by text not null default '',
    add column first_reason text not null default '',
    add column first_at timestamptz,
    add column change_id bigint not null default 0;
update mpi.review_task set kind = 'cross-site' where kind = 'duplicate';
update mpi.review_task set kind = 'reopen' where kind = 'conflict';
create index review_task_risk on mpi.review_task (risk desc, task_id) where closed is null;
create index review_task_record on mpi.review_task (sp_id);
create index review_task_other on mpi.review_task (other_id) where other_id > 0;
