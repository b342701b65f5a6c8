-- +goose Up
-- Which obligations a client honours that the exchange cannot honour for it. A program that does not know the column leaves it empty.
set local citus.multi_shard_modify_mode to 'sequential';

alter table access.client add column abilities text[] not null default '{}';
