//! What served and when: the history of each plugin, as far back as its last few versions.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::plugin::{ArtefactDigest, PluginName};
use crate::store::{Activation, Answer, AuditEntry, ServedVersion};

/// Versions of a plugin that are kept: components with their settings.
const VERSIONS_KEPT: u32 = 10;
/// Lines of its history: rolling back and forth adds lines and no versions.
const LINES_KEPT: u32 = 100;

impl SqliteStore {
    pub(super) fn set_active(&self, new: Activation) -> Answer<'_, ()> {
        let memory = Arc::clone(&self.memory);
        let Activation { plugin, bytes, version, settings, observes, rolled_back_by, audit } = new;
        self.write(move |connection| {
            let (name, since) = (plugin.name.as_str(), rows::millis(plugin.since));
            connection.prepare_cached("INSERT OR IGNORE INTO artefact (digest, bytes, added_at) VALUES (?1, ?2, ?3)")?.execute(params![
                plugin.artefact.0,
                &bytes[..],
                since
            ])?;
            let before = artefact_of(connection, &plugin.name)?;
            let (set_aside, by) = plugin.set_aside.as_ref().map(|aside| (&aside.file.0, &aside.by)).unzip();
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO plugin (name, artefact, file, since, set_aside, rolled_back_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![name, plugin.artefact.0, plugin.file, since, set_aside, by])?;
            // The same once more, with another secret, is no other version.
            let goes_on: bool = connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM plugin_version WHERE plugin = ?1 AND until IS NULL AND artefact = ?2 AND file = ?3)",
                )?
                .query_row(params![name, plugin.artefact.0, plugin.file], |row| row.get(0))?;
            if !plugin.serves {
                end(connection, &plugin.name, plugin.since)?;
            } else if !goes_on {
                end(connection, &plugin.name, plugin.since)?;
                connection
                    .prepare_cached(
                        "INSERT INTO plugin_version (plugin, artefact, file, settings, version, since, rolled_back_by)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute(params![name, plugin.artefact.0, plugin.file, settings, version, since, rolled_back_by])?;
                prune(connection, &plugin.name)?;
            }
            if let Some(before) = before {
                let_go(connection, &before)?;
            }
            append_audit(connection, &audit)?;
            Ok(memory.events.observes(connection, &plugin.name, observes && plugin.serves, plugin.since)?)
        })
    }

    pub(super) fn clear_active(&self, name: &PluginName, audit: AuditEntry) -> Answer<'_, ()> {
        let (name, memory) = (name.clone(), Arc::clone(&self.memory));
        self.write(move |connection| {
            if let Some(before) = artefact_of(connection, &name)? {
                connection.prepare_cached("DELETE FROM plugin WHERE name = ?1")?.execute([name.as_str()])?;
                let_go(connection, &before)?;
                append_audit(connection, &audit)?;
            }
            end(connection, &name, audit.at)?;
            Ok(memory.events.observes(connection, &name, false, audit.at)?)
        })
    }

    pub(super) fn list_versions(&self, name: &PluginName) -> Answer<'_, Vec<ServedVersion>> {
        let name = name.clone();
        self.read_long(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT artefact, file, settings, version, since, until, rolled_back_by FROM plugin_version WHERE plugin = ?1 ORDER BY id DESC",
            )?;
            let versions = statement
                .query_map([name.as_str()], |row| {
                    Ok(ServedVersion {
                        artefact: ArtefactDigest(row.get(0)?),
                        file: row.get(1)?,
                        settings: row.get(2)?,
                        version: row.get(3)?,
                        since: rows::time(row, 4)?,
                        until: rows::optional_time(row, 5)?,
                        rolled_back_by: row.get(6)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>();
            versions.map_err(rows::named("plugin_version", name.as_str()))
        })
    }
}

/// Nothing of this plugin serves any more.
pub(super) fn end(connection: &Connection, name: &PluginName, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE plugin_version SET until = ?2 WHERE plugin = ?1 AND until IS NULL")?
        .execute(params![name.as_str(), rows::millis(now)])
        .map(drop)
}

/// Lets go of versions that served too long ago, and of components that are of no other.
pub(super) fn prune(connection: &Connection, name: &PluginName) -> rusqlite::Result<()> {
    let gone: Vec<String> = connection
        .prepare_cached(
            "DELETE FROM plugin_version WHERE plugin = ?1 AND (
                id NOT IN (SELECT id FROM plugin_version WHERE plugin = ?1 ORDER BY id DESC LIMIT ?3)
                OR (artefact, file) NOT IN (
                    SELECT artefact, file FROM plugin_version WHERE plugin = ?1 GROUP BY artefact, file ORDER BY max(id) DESC LIMIT ?2))
             RETURNING artefact",
        )?
        .query_map(params![name.as_str(), VERSIONS_KEPT, LINES_KEPT], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    gone.iter().try_for_each(|artefact| let_go(connection, artefact))
}

/// The component that serves, or would.
fn artefact_of(connection: &Connection, name: &PluginName) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT artefact FROM plugin WHERE name = ?1")?.query_row([name.as_str()], |row| row.get(0)).optional()
}

/// Forgets a component that is nobody's any more.
fn let_go(connection: &Connection, artefact: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM artefact WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM plugin_version WHERE artefact = ?1)
                AND NOT EXISTS (SELECT 1 FROM plugin WHERE artefact = ?1)",
        )?
        .execute([artefact])
        .map(drop)
}
