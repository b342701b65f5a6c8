-- +goose Up
-- An address is told of nothing until whoever reads its mail has typed the code sent there (spec ux P7). Addresses from before
-- are not confirmed: the page asks their owners to.
set local citus.multi_shard_modify_mode to 'sequential';

alter table audit.alert_setting
    add column confirmed timestamptz,                   -- when the address proved to be the patient's; null is not yet
    add column code_hash text not null default '',      -- of the last code sent; '' for none
    add column code_sent timestamptz,
    add column code_tries int not null default 0,       -- wrong guesses at it
    add column code_count int not null default 0;       -- codes sent in a row, each within a day of the one before
