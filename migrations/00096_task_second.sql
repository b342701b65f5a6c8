-- +goose Up
-- How often a reviewer said otherwise than the one before, for the rate of agreement; a closed task keeps its first verdict.
set local citus.multi_shard_modify_mode to 'sequential';

alter table mpi.review_task add column differed smallint not null default 0;
