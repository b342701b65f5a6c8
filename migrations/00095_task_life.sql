-- +goose Up
-- The life of a review task: put off until a time, and handed on to somebody else (spec ux W1, W3). A task handed on names a
-- role, or a user as "org/user".
set local citus.multi_shard_modify_mode to 'sequential';

alter table mpi.review_task
    add column snoozed_until timestamptz,
    add column snoozed_by text not null default '',
    add column snooze_reason text not null default '',
    add column escalated_at timestamptz,
    add column escalated_role text not null default '',
    add column escalated_user text not null default '',
    add column escalated_by text not null default '',
    add column escalated_reason text not null default '';
create index review_task_open on mpi.review_task (task_id) where closed is null;
create index review_task_closed on mpi.review_task (closed) where closed is not null;
create index review_task_opened on mpi.review_task (opened);
-- What people did to links and took back, for figures of quality: few among the many that the engine writes.
create index link_event_people on mpi.link_event (change_id) where cause in ('steward', 'undo');
