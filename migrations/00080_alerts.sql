-- +goose Up
-- What patients are told beside their access history, and what they ask about it.
set local citus.multi_shard_modify_mode to 'sequential';

create table audit.alert_setting (
    sp_id bigint not null,
    address text not null,          -- an e-mail address; '' for none
    language text not null,
    kinds text[] not null,          -- what to tell of (audit.AlertKind)
    changed timestamptz not null,
    constraint alert_setting_pkey primary key (sp_id)
);
comment on table audit.alert_setting is 'group S: who wants to be told of what, and where';

-- One row a message. It holds no content: what it says depends on kind and language alone.
create table audit.alert_outbox (
    event_id uuid not null,
    sp_id bigint not null,
    kind text not null,
    address text not null,
    language text not null,
    created timestamptz not null,
    attempts int not null default 0,
    next timestamptz not null,      -- when it is tried (again)
    done timestamptz,               -- sent, or given up after the last attempt
    sent boolean not null default false,
    constraint alert_outbox_pkey primary key (event_id, sp_id)
);
create index alert_outbox_due on audit.alert_outbox (next) where done is null;
comment on table audit.alert_outbox is 'group L: messages to send, claimed row by row';

create table audit.alert_position (
    name text not null,
    seq bigint not null,            -- leaves below it have been looked at
    constraint alert_position_pkey primary key (name)
);
comment on table audit.alert_position is 'group L: how far the audit tree has been read for alerts; its one row is the claim of who reads';

create table audit.question (
    sp_id bigint not null,
    question_id bigint not null,
    event_id uuid not null,         -- the line of the history it is about
    asked timestamptz not null,
    words text not null,
    answered timestamptz,
    answered_by text not null default '',
    answer text not null default '',
    constraint question_pkey primary key (sp_id, question_id)
);
create index question_open on audit.question (asked) where answered is null;
comment on table audit.question is 'group S: what patients ask about lines of their access history';
