-- +goose Up
-- What pointers, presence and directives of a source patient hang on, with the epoch that guards them.
set local citus.multi_shard_modify_mode to 'sequential';

create table locator.subject (
    sp_id bigint not null,
    epoch bigint not null,
    constraint subject_pkey primary key (sp_id)
);
comment on table locator.subject is 'group S: one row a source patient; its epoch moves with its consents and labels';
