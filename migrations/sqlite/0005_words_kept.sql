-- The words of each resource as the index keeps them, for checking; it has no rows of its own.
create virtual table ix_words_kept using fts5vocab(ix_words, instance);
