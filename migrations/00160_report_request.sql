-- +goose Up
-- What patients ask for about their records and are owed by a day: lists the exchange makes of its own trail, and copies and
-- corrections of the organisations that hold the records.
set local citus.multi_shard_modify_mode to 'sequential';

create table consent.report_request (
    sp_id bigint not null,
    request_id bigint not null,
    kind text not null,             -- consent.ReportKind
    law text not null,              -- whose list it is, '' for what is no accounting
    org text not null,              -- whom it is asked of, '' for the exchange itself
    words text not null,
    asked timestamptz not null,
    due timestamptz not null,
    extended timestamptz,           -- when the one extension was said
    extension text not null default '',
    answered timestamptz,
    answered_by text not null default '',
    outcome text not null default '',
    answer text not null default '',
    constraint report_request_pkey primary key (sp_id, request_id),
    constraint report_request_outcome check ((answered is null) = (outcome = ''))
);
create index report_request_due on consent.report_request (due) where answered is null;
comment on table consent.report_request is 'group S: what patients ask for about their records, and what became of it';
