-- Contained resources, for _contained and for chains that lead into them.

-- A contained resource under its number, which is made of that of its container and its place there:
-- negative, so it is no number of a resource. Its index rows stand in the tables of all others, under the
-- complement of each parameter's number. A reference to it from its container leads to its number.
create table contained (
  rid integer primary key,
  container integer not null,
  tenant integer not null,
  type integer not null,
  id text not null
) strict;
create index contained_type on contained (tenant, type, rid);
create index contained_id on contained (tenant, type, id, rid);
create index contained_tenant on contained (tenant, rid);

-- A contained resource with what it shares with its container, in place of a row of resource. A cross
-- join keeps the order of its tables.
create view contained_resource as
select c.rid, c.tenant, c.type, c.id, c.container, h.type as container_type, h.id as container_id,
  h.version, h.updated_us, h.deleted, h.body
from contained c cross join resource h on h.rid = c.container;

-- Whether every contained resource of the tenant has its rows.
alter table tenant add column contained_ready integer not null default 1;
update tenant set contained_ready = 0, parameters = parameters + 1
where exists (select 1 from resource r where r.tenant = tenant.id and r.deleted = 0);
