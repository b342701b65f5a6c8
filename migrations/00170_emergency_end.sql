-- +goose Up
-- An emergency that is over before its time: by whom it was ended, and why. A grant that was ended holds for nobody, whatever
-- their clock says; until is drawn in as well, for programs that do not know of it.
set local citus.multi_shard_modify_mode to 'sequential';

alter table consent.review_task
    add column ended timestamptz,
    add column ended_by text not null default '',
    add column end_reason text not null default '';
alter table consent.emergency_grant add column ended timestamptz;
