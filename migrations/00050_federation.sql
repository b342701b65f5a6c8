-- +goose Up
-- What live sites told, kept for minutes so that later pages and retrievals need not ask again. handle_id is a
-- hash of what the document is, so the same document told twice is one row. first_at and asked_at say when it was
-- first and last told; a page shows what was told no later than its first page. Rows past expires_at are
-- as good as gone and swept away; losing the table costs a question to the site.
set local citus.multi_shard_modify_mode to 'sequential';

create table federation.handle (
    sp_id bigint not null,
    handle_id bigint not null,
    site_id text not null,
    received bytea not null,
    first_at timestamptz not null,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    constraint handle_pkey primary key (sp_id, handle_id)
);
comment on table federation.handle is 'group S: documents told by sites that do not publish, by source patient';

create index handle_expires_idx on federation.handle (expires_at);
