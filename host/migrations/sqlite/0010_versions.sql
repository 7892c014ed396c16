-- What served, and when. The components are in `artefact`.
CREATE TABLE plugin_version (
    id INTEGER PRIMARY KEY,
    plugin TEXT NOT NULL,
    artefact TEXT NOT NULL REFERENCES artefact (digest),
    -- The text of name.toml, and the settings in it as they may be shown: JSON.
    file TEXT NOT NULL,
    settings TEXT NOT NULL,
    -- What it calls itself. Empty for what began to serve before this was written down.
    version TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    -- Who rolled back to it. Absent where it came out of the folder.
    rolled_back_by TEXT
) STRICT;
CREATE INDEX plugin_version_of ON plugin_version (plugin, id);
CREATE INDEX plugin_version_artefact ON plugin_version (artefact);
INSERT INTO plugin_version (plugin, artefact, file, settings, version, since) SELECT name, artefact, file, '{}', '', since FROM plugin;
DELETE FROM artefact WHERE digest NOT IN (SELECT artefact FROM plugin);

-- What a rollback left in the folder, by its digest: it is not taken while it lies there. And who rolled back.
ALTER TABLE plugin ADD COLUMN set_aside TEXT;
ALTER TABLE plugin ADD COLUMN rolled_back_by TEXT;
