-- +goose Up
-- Which account a person whom a patient named signs in with. It is bound once, by whoever was given the patient's link.
set local citus.multi_shard_modify_mode to 'sequential';

create table consent.helper_account (
    sp_id bigint not null,
    representative_id bigint not null,
    account text not null,          -- a hash of provider and subject
    bound timestamptz not null,
    constraint helper_account_pkey primary key (sp_id, representative_id)
);
create index helper_account_account on consent.helper_account (account);
comment on table consent.helper_account is 'group L: few, and looked up by account when a helper signs in';
