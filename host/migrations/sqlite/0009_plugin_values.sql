-- What plugins keep. The name of the plugin is part of the key, so that none reaches what another keeps.
CREATE TABLE plugin_value (
    plugin TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Out of `plugin_storage`, so that no version comes twice, also not of a key that was deleted in between.
    version INTEGER NOT NULL,
    expires_at INTEGER,
    -- Bytes of key and value together.
    size INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (plugin, key)
) STRICT;
CREATE INDEX plugin_value_until ON plugin_value (expires_at) WHERE expires_at IS NOT NULL;

-- The sums of it, so that a quota is checked without adding up, and how often it was written.
CREATE TABLE plugin_storage (
    plugin TEXT PRIMARY KEY NOT NULL,
    keys INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    written INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
