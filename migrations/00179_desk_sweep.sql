-- +goose Up
-- When everybody's wishes were last looked through for what staff must see to: begun by one node, and done. A node that was
-- stopped in between has begun and not done; another goes on after an hour.
set local citus.multi_shard_modify_mode to 'sequential';

create table consent.desk_sweep (
    id smallint not null,
    begun timestamptz not null,
    done timestamptz not null,
    constraint desk_sweep_pkey primary key (id),
    constraint desk_sweep_one check (id = 1)
);
insert into consent.desk_sweep (id, begun, done) values (1, '1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z');
comment on table consent.desk_sweep is 'group L: when the consent desk last looked through everything';
