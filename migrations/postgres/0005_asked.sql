-- Requests that are answered in the background: explained in ../sqlite/0006_asked.sql.

create table asked (
  id text collate "C" primary key,
  tenant integer not null,
  principal text collate "C" not null,
  state integer not null,
  status integer not null,
  answer text not null,
  owner text collate "C" not null,
  lease_us bigint not null,
  created_us bigint not null,
  ended_us bigint not null
);
create index asked_by on asked (tenant, principal);
