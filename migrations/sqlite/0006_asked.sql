-- Requests that are answered in the background. principal: who asked; state: as of job; status and answer:
-- what was answered, a resource as JSON; owner: the process that works on it, until lease_us.
create table asked (
  id text primary key,
  tenant integer not null,
  principal text not null,
  state integer not null,
  status integer not null,
  answer text not null,
  owner text not null,
  lease_us integer not null,
  created_us integer not null,
  ended_us integer not null
) strict;
create index asked_by on asked (tenant, principal);
