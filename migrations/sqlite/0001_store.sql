-- The store on SQLite. Times are microseconds since 1970-01-01T00:00:00Z; ids of types, parameters
-- and systems are small integers from the tables below, so that index rows stay short.

create table tenant (
  id integer primary key,
  name text not null unique,
  created_us integer not null
) strict;

create table resource_type (id integer primary key, name text not null unique) strict;

-- One search parameter of one resource type.
create table search_parameter (
  id integer primary key,
  type integer not null,
  code text not null,
  unique (type, code)
) strict;

-- Code systems and other uris that index rows name by number.
create table symbol (id integer primary key, uri text not null unique) strict;

-- The current version of every resource. rid rises with creation, so newest first is a walk.
-- version 0: nothing was ever stored here, but a reference points at it.
create table resource (
  rid integer primary key,
  tenant integer not null,
  type integer not null,
  id text not null,
  version integer not null,
  updated_us integer not null,
  deleted integer not null,
  body blob
) strict;
create unique index resource_id on resource (tenant, type, id);
create index resource_live on resource (tenant, type, rid) where deleted = 0;
create index resource_tenant on resource (tenant, rid) where deleted = 0;
create index resource_updated on resource (tenant, type, updated_us, rid) where deleted = 0;

-- Versions that are no longer current. A deletion has no body.
create table history (
  rid integer not null,
  version integer not null,
  tenant integer not null,
  updated_us integer not null,
  deleted integer not null,
  body blob
) strict;
create unique index history_version on history (rid, version);

-- Every committed change in commit order. action: 1 create, 2 update, 3 delete.
create table change (
  seq integer primary key autoincrement,
  tenant integer not null,
  type integer not null,
  rid integer not null,
  version integer not null,
  action integer not null,
  at_us integer not null
) strict;
create index change_type on change (tenant, type, at_us, seq);
create index change_tenant on change (tenant, at_us, seq);
create index change_rid on change (rid, version);

-- Index rows. Where a value is matched whole, rid follows it: one walk gives matches newest first, and
-- one probe tells whether a resource matches. Where a range is matched, rows are kept by rid and by range.
create table ix_token (
  tenant integer not null, param integer not null,
  code text not null, rid integer not null, system integer not null,
  primary key (tenant, param, code, rid, system)
) strict, without rowid;

create table ix_reference (
  tenant integer not null, param integer not null,
  target integer not null, rid integer not null,
  primary key (tenant, param, target, rid)
) strict, without rowid;
-- Chains and _has go from a resource to what it refers to.
create index ix_reference_rid on ix_reference (tenant, param, rid, target);

create table ix_uri (
  tenant integer not null, param integer not null,
  uri text not null, rid integer not null,
  primary key (tenant, param, uri, rid)
) strict, without rowid;

-- norm: folded for matching; exact: as written.
create table ix_string (
  tenant integer not null, param integer not null,
  rid integer not null, norm text not null, exact text not null,
  primary key (tenant, param, rid, norm, exact)
) strict, without rowid;
create index ix_string_value on ix_string (tenant, param, norm, rid);

-- low inclusive, high exclusive.
create table ix_date (
  tenant integer not null, param integer not null,
  rid integer not null, low integer not null, high integer not null,
  primary key (tenant, param, rid, low, high)
) strict, without rowid;
create index ix_date_value on ix_date (tenant, param, low, high, rid);

create table ix_number (
  tenant integer not null, param integer not null,
  rid integer not null, low real not null, high real not null,
  primary key (tenant, param, rid, low, high)
) strict, without rowid;
create index ix_number_value on ix_number (tenant, param, low, high, rid);

-- low, high in the unit as written; canonical_low, canonical_high in the canonical unit, whose
-- spelling is a symbol (0: none).
create table ix_quantity (
  tenant integer not null, param integer not null,
  rid integer not null, low real not null, high real not null,
  system integer not null, code text not null,
  canonical integer not null, canonical_low real not null, canonical_high real not null,
  primary key (tenant, param, rid, low, high, system, code)
) strict, without rowid;
create index ix_quantity_value on ix_quantity (tenant, param, low, high, rid);
create index ix_quantity_canonical on ix_quantity (tenant, param, canonical, canonical_low, canonical_high, rid);

-- Components that stand in the same element. The first is a token or a reference written as text;
-- the second a token (code2, system2), a range (low, high) or a folded string (code2); a third range
-- is (low2, high2).
create table ix_composite (
  tenant integer not null, param integer not null,
  code text not null, rid integer not null, system integer not null,
  code2 text not null, system2 integer not null,
  low real not null, high real not null, low2 real not null, high2 real not null,
  primary key (tenant, param, code, rid, system, code2, system2, low, high, low2, high2)
) strict, without rowid;

create table ix_position (
  tenant integer not null, param integer not null,
  rid integer not null, latitude real not null, longitude real not null,
  primary key (tenant, param, rid, latitude, longitude)
) strict, without rowid;
create index ix_position_value on ix_position (tenant, param, latitude, longitude, rid);

-- Texts beside codes, identifiers and references: folded words with one blank between them.
create table ix_text (
  tenant integer not null, param integer not null,
  norm text not null, rid integer not null,
  primary key (tenant, param, norm, rid)
) strict, without rowid;

insert into tenant (name, created_us) values ('default', 0);

-- Tells this store from every other, so that copies kept elsewhere know whose they are.
create table store (identity text not null) strict;
insert into store values (lower(hex(randomblob(16))));
