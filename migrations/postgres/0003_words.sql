-- Words of resources, for _text and _content: explained in ../sqlite/0003_words.sql.

create table ix_words (rid bigint primary key, tenant integer not null, words tsvector not null);
-- What is written waits unsorted until there is so much of it; every search reads that, so it is little.
create index ix_words_word on ix_words using gin (words) with (gin_pending_list_limit = 1024);

alter table store add column words integer not null default 1;
alter table store add column words_changes bigint not null default 0;

alter table tenant add column words_ready integer not null default 1;
update tenant set words_ready = 0
where exists (select 1 from resource r where r.tenant = tenant.id and r.deleted = 0);
