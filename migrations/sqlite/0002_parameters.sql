-- Search parameters that tenants bring themselves, and work that goes on in the background.

-- How often the search parameters of a tenant have changed. Index rows are made under one count; a
-- write whose rows were made under another is not applied but prepared again.
alter table tenant add column parameters integer not null default 0;

-- One parameter of a tenant on one resource type. Its id stands in index rows beside those of
-- search_parameter, which stay far below, and is never used again. source: logical id of the
-- SearchParameter resource. state: 0 rows are being filled in, 1 usable, 2 gone, its rows are to go too.
create table custom_parameter (
  id integer primary key autoincrement,
  tenant integer not null,
  type integer not null,
  code text not null,
  source text not null,
  state integer not null,
  since_us integer not null
) strict;
create unique index custom_parameter_code on custom_parameter (tenant, type, code) where state < 2;
insert into sqlite_sequence (name, seq) values ('custom_parameter', 999999);

-- Work in the background. state: 0 to do, 1 done, 2 cancelled, 3 failed. work: what is to be done, one
-- item for each resource type; place and cursor: how far it is, the item and the last rid; owner: the
-- process that does it, until lease_us.
create table job (
  id text primary key,
  tenant integer not null,
  kind text not null,
  state integer not null,
  work text not null,
  place integer not null,
  cursor integer not null,
  done integer not null,
  total integer not null,
  owner text not null,
  lease_us integer not null,
  created_us integer not null,
  ended_us integer not null,
  message text not null
) strict;
create index job_to_do on job (created_us) where state = 0;
