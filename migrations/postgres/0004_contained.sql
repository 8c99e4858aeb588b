-- Contained resources: explained in ../sqlite/0004_contained.sql.

create table contained (
  rid bigint primary key,
  container bigint not null,
  tenant integer not null,
  type integer not null,
  id text collate "C" not null
);
create index contained_type on contained (tenant, type, rid);
create index contained_id on contained (tenant, type, id, rid);
create index contained_tenant on contained (tenant, rid);

create view contained_resource as
select c.rid, c.tenant, c.type, c.id, c.container, h.type as container_type, h.id as container_id,
  h.version, h.updated_us, h.deleted, h.body, h.text
from contained c join resource h on h.rid = c.container;

alter table tenant add column contained_ready integer not null default 1;
update tenant set contained_ready = 0, parameters = parameters + 1
where exists (select 1 from resource r where r.tenant = tenant.id and r.deleted = 0);
