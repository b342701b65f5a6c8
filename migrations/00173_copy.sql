-- +goose Up
-- The consent change feed: for each registration that anything binds, when what binds it last changed and what it then was. Sites that
-- enforce for themselves read it behind where they are; it holds one row a registration, so nothing of it is ever pruned.
set local citus.multi_shard_modify_mode to 'sequential';

-- Written in the transaction of the change, by which the change is in the feed whatever happens next.
create table consent.copy_due (
    sp_id bigint not null,
    change_id bigint not null,
    constraint copy_due_pkey primary key (sp_id, change_id)
);
comment on table consent.copy_due is 'group S: records about which something changed; taken away once their copies were looked at';

-- digest is null where nothing binds any more.
create table consent.copy (
    sp_id bigint not null,
    site text not null,
    seq bigint not null,
    at timestamptz not null,
    digest bytea,
    constraint copy_pkey primary key (sp_id)
);
create index copy_of_site on consent.copy (site, seq);
comment on table consent.copy is 'group S: one row a registration that anything binds or bound';

-- seq is the last one given; who gives the next holds the row until it commits, so that nothing appears before what was read. reduced is
-- the digest of the rules all copies were last looked through under, sweeping that of a look under way, which has come to swept.
create table consent.copy_feed (
    only_row boolean not null,
    seq bigint not null,
    reduced bytea not null,
    sweeping bytea not null,
    swept bigint not null,
    constraint copy_feed_pkey primary key (only_row),
    constraint copy_feed_one check (only_row)
);
comment on table consent.copy_feed is 'group L: how far the change feed is';
insert into consent.copy_feed (only_row, seq, reduced, sweeping, swept) values (true, 0, '', '', 0);
