-- Initial access tokens (RFC 7591 1.2): whoever has one may register clients with it.
CREATE TABLE initial_access_token (
    -- Digest.
    token BLOB PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
