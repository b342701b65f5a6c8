-- +goose Up
-- Which exchange codes of a network a client may assert. A program that does not know the column leaves it empty.
set local citus.multi_shard_modify_mode to 'sequential';

alter table access.client add column exchanges text[] not null default '{}';
