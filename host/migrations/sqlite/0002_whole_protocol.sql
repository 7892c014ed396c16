-- What a client says of itself stands in one column, in the words of RFC 7591.
CREATE TABLE client_2 (
    id TEXT PRIMARY KEY NOT NULL,
    -- The name shown to the person, which is also in `metadata`.
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- How it came here: command, declared, registered or demo. The demo's go with the demo: everybody knows their secrets.
    origin TEXT NOT NULL,
    -- Digest, and where the method needs the secret itself, that, encrypted.
    secret BLOB,
    sealed_secret BLOB,
    -- JSON.
    metadata TEXT NOT NULL,
    -- Digest of the registration access token.
    registration_token BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO client_2 (id, name, kind, origin, secret, metadata)
    SELECT id, name, kind, CASE WHEN demo THEN 'demo' ELSE 'command' END, secret,
        json_object('client_name', name, 'grant_types', json_array('urn:openid:params:grant-type:ciba'),
            'backchannel_token_delivery_mode', delivery, 'long_poll', json(CASE WHEN long_poll THEN 'true' ELSE 'false' END))
    FROM client;
DROP TABLE client;
ALTER TABLE client_2 RENAME TO client;

-- What may be used once: one-time links, the `jti` of assertions, request objects and DPoP proofs. Digests of them.
CREATE TABLE spent (
    what BLOB PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO spent (what, expires_at) SELECT link, expires_at FROM used_link;
DROP TABLE used_link;
CREATE INDEX spent_until ON spent (expires_at);

-- The hash of the code that the person gives to clients that ask for one; slow, because a code is short.
ALTER TABLE user ADD COLUMN user_code TEXT;
-- In a file: only the file changes it.
ALTER TABLE user ADD COLUMN declared INTEGER NOT NULL DEFAULT 0;

ALTER TABLE request ADD COLUMN delivery TEXT NOT NULL DEFAULT 'poll';
-- JSON: what only some requests have, and what was verified when the person approved.
ALTER TABLE request ADD COLUMN particulars TEXT;
ALTER TABLE request ADD COLUMN evidence TEXT;
-- For ping and push: `auth_req_id` and the notification token, encrypted, until the client has been told.
ALTER TABLE request ADD COLUMN to_notify BLOB;

ALTER TABLE request ADD COLUMN redeemed_at INTEGER;
UPDATE request SET redeemed_at = decided_at WHERE state = 'redeemed';

-- Access tokens, by the token of their request, which stands in them: rows that are written together stand together.
CREATE TABLE access_token (
    request INTEGER NOT NULL,
    -- Digest.
    token BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- JSON, see protocol/transaction.rs.
    confirmation TEXT,
    -- Space-separated, where not the host itself.
    audience TEXT,
    -- Where it is less than what was granted.
    scope TEXT,
    PRIMARY KEY (request, token)
) STRICT, WITHOUT ROWID;
INSERT INTO access_token (request, token, issued_at, expires_at)
    SELECT g.request, g.access_token, coalesce(r.decided_at, r.created_at), g.expires_at FROM access_grant g JOIN request r ON r.id = g.request;
DROP TABLE access_grant;

-- The refresh tokens that one approval gave. A token carries the number of its generation: whoever uses one of an older
-- generation than the newest that was used has stolen it, or was stolen from.
CREATE TABLE refresh_family (
    request INTEGER PRIMARY KEY NOT NULL,
    used_generation INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE refresh_token (
    request INTEGER NOT NULL,
    -- Digest.
    token BLOB NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (request, token)
) STRICT, WITHOUT ROWID;

-- What is sent to a client in push mode: encrypted, the same bytes at every try, deleted when it has arrived.
CREATE TABLE push_body (
    request INTEGER PRIMARY KEY NOT NULL,
    body BLOB NOT NULL,
    -- After this nobody tries any more, and what it holds is revoked.
    deadline INTEGER NOT NULL
) STRICT;
CREATE INDEX job_outcome ON job (request) WHERE kind IN ('ping', 'push');
