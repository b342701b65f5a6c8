-- +goose Up
-- The telephone number of a site's desk, for people of other members and for patients (spec ux D2 "call", P4).
set local citus.multi_shard_modify_mode to 'sequential';

alter table directory.site add column phone text not null default '';
