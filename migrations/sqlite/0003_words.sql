-- Words of resources, for _text and _content.

-- The words of a resource under its rid, each with the number of its tenant and the letter of its place
-- before it (1tpressure: narrative; 1cpressure: elsewhere only). Only the index is kept, without the
-- places of words; live resources only, as in every index table. Words come folded and parted from the
-- program, so the tokeniser has nothing to decide.
create virtual table ix_words using fts5(
  words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Which words are kept: 0 none, 1 narratives, 2 all texts; and how often that has changed, which counts
-- as a change of every tenant's search parameters.
alter table store add column words integer not null default 1;
alter table store add column words_changes integer not null default 0;

-- Whether every resource of the tenant has its words.
alter table tenant add column words_ready integer not null default 1;
update tenant set words_ready = 0
where exists (select 1 from resource r where r.tenant = tenant.id and r.deleted = 0);
