-- +goose Up
-- Why a task was raised, in the words of the person who raised it.
set local citus.multi_shard_modify_mode to 'sequential';

alter table mpi.review_task add column note text not null default '';
