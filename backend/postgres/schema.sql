-- SPDX-License-Identifier: Apache-2.0

do $$ begin
	if not exists (select from pg_catalog.pg_namespace where nspname = 'igniter') then
		create schema igniter;
	end if;
end $$;

-- A row for each log. Writers lock it and do not update it.
create table igniter.log (
	log        int primary key generated always as identity,
	name       text unique not null,
	format     int not null,              -- of these tables: 2
	identity   uuid not null,             -- which history this is
	origin     text not null,             -- where it was written: system identifier / timeline / database / table
	floor_seq  bigint not null default 0, -- the log's end when facts were last pruned; it is no earlier
	floor_sec  bigint not null default 0, -- its clock then
	floor_nsec int not null default 0,
	pruned     bigint not null default 0  -- seqs have no gap: the log holds its last seq minus these
);

-- Earlier identities; the one with the highest number is the latest.
create table igniter.ancestor (
	log      int not null,
	identity uuid not null,
	through  bigint not null, -- the log has the ancestor's facts through this seq
	number   int not null,
	primary key (log, identity)
);

-- The moment of each store before which its past is incomplete.
create table igniter.horizon (
	log   int not null,
	store bytea not null,
	seq   bigint not null,
	sec   bigint not null,
	nsec  int not null,
	primary key (log, store)
);

-- How far the followers are that keep their place here.
create table igniter.position (
	log      int not null,
	name     text not null,
	identity uuid,
	seq      bigint not null,
	primary key (log, name)
);

create table igniter.fact (
	seq        bigint not null,
	clock_sec  bigint not null, -- the log's latest transaction time, in Unix seconds, with this fact
	log        int not null,
	clock_nsec int not null,
	rest       int not null,    -- how many facts of its batch come after it
	key_hash   bytea not null,  -- 16 bytes of the SHA-256 of store, 0xFF and key
	id         bytea not null,  -- 0x00 and the 16 bytes of a UUID, or 0x01 and text
	store      bytea not null,
	body       bytea not null,  -- the fact in the log's codec; bytea, since keys may hold U+0000 and bytes must stay as they are
	primary key (log, seq)
);
do $$ begin
	alter table igniter.fact alter column body set compression lz4; -- twice as fast as pglz
exception when feature_not_supported then null;                     -- a server without it
end $$;
create unique index fact_id on igniter.fact (log, id, store); -- format 1: (log, id)
create index fact_key on igniter.fact (log, key_hash, seq);

-- For people. Programs read logs through Igniter.
create view igniter.facts as
select l.name as log, f.seq, convert_from(f.store, 'UTF8') as store,
	case when position('\u0000' in b.body) > 0 then null else b.body::json ->> 'key' end as key,
	case when get_byte(f.id, 0) = 0 then encode(substr(f.id, 2), 'hex')::uuid::text else convert_from(substr(f.id, 2), 'UTF8') end as id,
	substring(b.body from '"transaction_time":(-?[0-9.e+-]+)')::numeric as transaction_time,
	case when position('\u0000' in b.body) > 0 then null else b.body::json -> 'value' end as value
from igniter.fact f join igniter.log l using (log), lateral (select convert_from(f.body, 'UTF8') as body) b;
