-- +goose Up
-- When each epoch began, so that a decision explained as of a past instant names the epoch it was made under. Rows are only
-- inserted, in the transaction that moves the epoch. Of epochs from before this table none is known.
set local citus.multi_shard_modify_mode to 'sequential';

create table locator.epoch (
    sp_id bigint not null,
    epoch bigint not null,
    began timestamptz not null,
    constraint epoch_pkey primary key (sp_id, epoch)
);
comment on table locator.epoch is 'group S: when each epoch of a source patient began';
