-- When a client in ping or push mode took what it was told. The operator sees it.
ALTER TABLE request ADD COLUMN told_at INTEGER;
