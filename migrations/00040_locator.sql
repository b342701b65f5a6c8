-- +goose Up
-- Where documents are. Everything of one source patient lies together (sp_id); uniqueness of a document over
-- all source patients is a claim row of its own (spec scale-out sections 2 to 4, spec locator section 6).
-- Pointers name a source patient, so linking and unlinking persons touches nothing here.
set local citus.multi_shard_modify_mode to 'sequential';

-- kind_id is a 63-bit hash of the other columns, the same on every node; a row is never changed.
create table locator.kind (
    kind_id bigint not null,
    classes text[] not null,
    types text[] not null,
    confidentiality text not null,
    sensitivity text[] not null,
    labelled boolean not null,
    constraint kind_pkey primary key (kind_id)
);
comment on table locator.kind is 'group R: what consent decides together; resolved before a publish in a transaction of its own';

-- terms and names are what search parameters ask of a row already fetched by its patient; there is no index
-- for each parameter, since a patient has tens to thousands of rows. *_lo and *_hi are [lo, hi), infinite
-- where a period is open, null where there is none. detail is what stands in no column, in the form that
-- locatorpg/detail.go gives it.
create table locator.pointer (
    sp_id bigint not null,
    ptr_id bigint not null,
    sort_at timestamptz not null,
    kind bigint not null,
    version bigint not null,
    size bigint not null,
    published timestamptz not null,
    updated timestamptz not null,
    date_lo timestamptz,
    date_hi timestamptz,
    creation_lo timestamptz,
    creation_hi timestamptz,
    period_lo timestamptz,
    period_hi timestamptz,
    status smallint not null,
    site text not null,
    custodian text not null,
    endpoint text not null,
    path text not null,
    hash bytea,
    terms bigint[] not null,
    names text not null,
    detail bytea not null,
    constraint pointer_pkey primary key (sp_id, ptr_id),
    constraint pointer_status check (status in (1, 2, 3))
);
create index pointer_page on locator.pointer (sp_id, sort_at desc, ptr_id desc) include (kind, status);
comment on table locator.pointer is 'group S: one row a document, as searches need it';

create table locator.pointer_body (
    sp_id bigint not null,
    ptr_id bigint not null,
    received bytea not null,
    constraint pointer_body_pkey primary key (sp_id, ptr_id)
);
comment on table locator.pointer_body is 'group S: the resource as received';

create table locator.pointer_history (
    sp_id bigint not null,
    ptr_id bigint not null,
    version bigint not null,
    status smallint not null,
    kind bigint not null,
    change text not null,
    changed timestamptz not null,
    updated timestamptz not null,
    custodian text not null,
    detail bytea not null,
    received bytea not null,
    constraint pointer_history_pkey primary key (sp_id, ptr_id, version),
    constraint pointer_history_change check (change in ('superseded', 'revised', 'deleted'))
);
comment on table locator.pointer_history is 'group S: what a pointer was before it was superseded, revised or deleted';

create table locator.relation (
    sp_id bigint not null,
    ptr_id bigint not null,
    target_ptr_id bigint not null,
    target_sp_id bigint not null,
    code text not null,
    constraint relation_pkey primary key (sp_id, ptr_id, target_ptr_id, code)
);
create index relation_target on locator.relation (sp_id, target_ptr_id);
comment on table locator.relation is 'group S: which document replaces, appends to, transforms or signs which';

create table locator.presence (
    sp_id bigint not null,
    kind bigint not null,
    count bigint not null,
    current bigint not null,
    newest timestamptz not null,
    site text not null,
    constraint presence_pkey primary key (sp_id, kind)
);
comment on table locator.presence is 'group S: how many documents of which kind a source patient has, kept by the transaction that changes it';

create table locator.doc_key (
    claim bytea not null,
    sp_id bigint not null,
    ptr_id bigint not null,
    content_hash bytea,
    constraint doc_key_pkey primary key (claim)
);
comment on table locator.doc_key is 'group C: the claim (128-bit hash of custodian and unique id) that makes a document unique; a repeated publish is answered from this row alone';

create table locator.list_key (
    claim bytea not null,
    sp_id bigint not null,
    list_id bigint not null,
    digest bytea not null,
    constraint list_key_pkey primary key (claim)
);
comment on table locator.list_key is 'group C: the claim that makes a list with an identifier unique; digest is of its received bytes';

create table locator.list (
    sp_id bigint not null,
    list_id bigint not null,
    custodian text not null,
    code text not null,
    recorded timestamptz not null,
    received bytea not null,
    constraint list_pkey primary key (sp_id, list_id),
    constraint list_code check (code in ('submissionset', 'folder'))
);
comment on table locator.list is 'group S: submission sets and folders';

create table locator.list_item (
    sp_id bigint not null,
    list_id bigint not null,
    ptr_id bigint not null,
    position integer not null,
    constraint list_item_pkey primary key (sp_id, list_id, ptr_id)
);
create index list_item_pointer on locator.list_item (sp_id, ptr_id);
comment on table locator.list_item is 'group S: the documents of a list; a replacement joins the folders of what it replaces';

-- A bulk load copies the claims of its lines here and takes them with one statement; a crash empties it. The
-- watermark of the feed, moved in the transaction that stored the lines, says where to go on.
create unlogged table locator.staging (
    feed text not null,
    line bigint not null,
    claim bytea not null,
    sp_id bigint not null,
    ptr_id bigint not null,
    content_hash bytea,
    constraint staging_pkey primary key (feed, line)
);
comment on table locator.staging is 'group l: claims of a running bulk load';

create table locator.feed (
    feed text not null,
    line bigint not null,
    stored bigint not null,
    repeated bigint not null,
    rejected bigint not null,
    updated timestamptz not null,
    constraint feed_pkey primary key (feed)
);
comment on table locator.feed is 'group L: how far each bulk load has come; feed is a digest of the file';
