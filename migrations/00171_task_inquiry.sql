-- +goose Up
-- What stewards asked of sites about a review task, and what these answered (spec ux W1, pending queries): in the order asked;
-- pending counts those without an answer. A task that the person who reported it took back was not decided.
set local citus.multi_shard_modify_mode to 'sequential';

alter table mpi.review_task
    add column inquiries jsonb not null default '[]',
    add column pending smallint not null default 0,
    add column withdrawn boolean not null default false;
