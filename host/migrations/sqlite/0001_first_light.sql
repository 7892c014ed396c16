-- Times are milliseconds since 1970-01-01T00:00:00Z. Digests are SHA-256.

CREATE TABLE client (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    secret BLOB NOT NULL,
    delivery TEXT NOT NULL,
    long_poll INTEGER NOT NULL,
    -- It came with the demo and goes with it: everybody knows its secret.
    demo INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `hint_` columns hold what a login_hint is compared with, see protocol/user.rs.
CREATE TABLE user (
    id TEXT PRIMARY KEY NOT NULL,
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    phone TEXT,
    locale TEXT,
    hint_username TEXT NOT NULL UNIQUE,
    hint_email TEXT UNIQUE,
    hint_phone TEXT UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id TEXT PRIMARY KEY NOT NULL,
    user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT,
    added_at INTEGER NOT NULL,
    -- Digest of the session cookie, for devices that are a device page.
    session BLOB UNIQUE
) STRICT, WITHOUT ROWID;
CREATE INDEX device_of_user ON device (user);

CREATE TABLE enrolment (
    token BLOB PRIMARY KEY NOT NULL,
    user TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One authentication request. `id` orders them; outside, they are known by `token` or by `auth_req_id`.
CREATE TABLE request (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    -- Digest; the request is found by the token that stands in it. Absent for requests of outside providers, which
    -- redeem nothing here.
    auth_req_id BLOB,
    client TEXT NOT NULL,
    user TEXT NOT NULL,
    scope TEXT NOT NULL,
    binding_message TEXT,
    acr_values TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    -- The name of the device, and which one it is. An operator who stands in for the person has a name only.
    decided_on TEXT,
    decided_by TEXT,
    -- The person said afterwards that it was not them.
    reported_at INTEGER,
    -- When it appeared on the device page, because a plugin asked or because the person checked.
    shown_at INTEGER,
    note TEXT,
    -- JSON: how each device was reached, by which plugin.
    notified TEXT
) STRICT;
CREATE INDEX request_of_user ON request (user, id);

-- What a redeemed request gave. It is found by the token of its request, which stands in the access token: rows that
-- are written together then stand together.
CREATE TABLE access_grant (
    request INTEGER PRIMARY KEY NOT NULL,
    -- Digest.
    access_token BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- What must still happen outside. A row is deleted when it has happened or no longer can. All of it is read when the
-- database is opened, so that no index by time is needed.
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    request INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX job_withdraw ON job (request) WHERE kind = 'withdraw';

CREATE TABLE used_link (
    link BLOB PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE artefact (
    digest TEXT PRIMARY KEY NOT NULL,
    bytes BLOB NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What serves. The folder is an inbox; this is the truth.
CREATE TABLE plugin (
    name TEXT PRIMARY KEY NOT NULL,
    artefact TEXT NOT NULL REFERENCES artefact (digest),
    file TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_permission (
    plugin TEXT PRIMARY KEY NOT NULL,
    permissions TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL
) STRICT;
