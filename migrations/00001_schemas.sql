-- +goose Up
-- One schema a domain; each later migration fills one of them. On Citus, multi-shard statements of one
-- transaction must run one after another (plain PostgreSQL takes the setting for an unknown one).
set local citus.multi_shard_modify_mode to 'sequential';

create schema directory;
create schema access;
create schema audit;
create schema mpi;
create schema locator;
create schema consent;
create schema federation;
