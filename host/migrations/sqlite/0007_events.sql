-- What plugins that observe are told: written with what it tells of, and only while somebody may want to hear it.
-- AUTOINCREMENT, so that no number comes twice, and none is left out.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- The token of the request, its client and its user.
    request TEXT NOT NULL,
    client TEXT NOT NULL,
    user TEXT NOT NULL
) STRICT;

-- How far each plugin has heard.
CREATE TABLE observer (
    plugin TEXT PRIMARY KEY NOT NULL,
    -- The last event that it need not be told any more.
    heard INTEGER NOT NULL,
    -- Since when no version that observes serves. Its place is kept for a day.
    gone_at INTEGER
) STRICT, WITHOUT ROWID;
