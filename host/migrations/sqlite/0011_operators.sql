-- What an operator said of a plugin by command. It stands over what the plugin's file says until it is taken back.
CREATE TABLE plugin_word (
    plugin TEXT NOT NULL,
    -- 'mode' or 'order', and what was said of it.
    about TEXT NOT NULL,
    word TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (plugin, about)
) STRICT, WITHOUT ROWID;

-- The latest lines, and those since a time.
CREATE INDEX audit_at ON audit (at);
