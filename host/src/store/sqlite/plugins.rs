//! Which plugin version serves, what it may do, and who said so.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, params};

use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::store::{ActivePlugin, Answer, AuditEntry, StoreError};

impl SqliteStore {
    pub(super) fn find_artefact(&self, digest: &ArtefactDigest) -> Answer<'_, Option<Vec<u8>>> {
        let digest = digest.clone();
        self.read_long(move |connection| {
            let bytes = connection
                .prepare_cached("SELECT bytes FROM artefact WHERE digest = ?1")?
                .query_row([&digest.0], |row| row.get(0))
                .optional()?;
            Ok(bytes)
        })
    }

    pub(super) fn list_active_plugins(&self) -> Answer<'_, Vec<ActivePlugin>> {
        self.read_long(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, artefact, file, since FROM plugin ORDER BY name")?;
            let plugins = statement
                .query_map([], |row| {
                    Ok(ActivePlugin {
                        name: plugin_name(row, 0)?,
                        artefact: ArtefactDigest(row.get(1)?),
                        file: row.get(2)?,
                        since: rows::time(row, 3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>();
            plugins.map_err(rows::named("plugin", "one of all"))
        })
    }

    pub(super) fn set_active(&self, plugin: ActivePlugin, bytes: Arc<[u8]>, observes: bool) -> Answer<'_, ()> {
        let memory = Arc::clone(&self.memory);
        self.write(move |connection| {
            connection.prepare_cached("INSERT OR IGNORE INTO artefact (digest, bytes, added_at) VALUES (?1, ?2, ?3)")?.execute(params![
                plugin.artefact.0,
                &bytes[..],
                rows::millis(plugin.since)
            ])?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO plugin (name, artefact, file, since) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![plugin.name.as_str(), plugin.artefact.0, plugin.file, rows::millis(plugin.since)])?;
            Ok(memory.events.observes(connection, &plugin.name, observes, plugin.since)?)
        })
    }

    pub(super) fn clear_active(&self, name: &PluginName, now: Timestamp) -> Answer<'_, ()> {
        let (name, memory) = (name.clone(), Arc::clone(&self.memory));
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM plugin WHERE name = ?1")?.execute([name.as_str()])?;
            Ok(memory.events.observes(connection, &name, false, now)?)
        })
    }

    pub(super) fn list_permissions(&self) -> Answer<'_, Vec<(PluginName, Permissions)>> {
        self.read_long(|connection| {
            let mut statement = connection.prepare_cached("SELECT plugin, permissions FROM plugin_permission")?;
            let permissions = statement
                .query_map([], |row| {
                    let text: String = row.get(1)?;
                    let permissions = serde_json::from_str(&text).map_err(|error| rows::impossible(1, Type::Text, error.to_string()))?;
                    Ok((plugin_name(row, 0)?, permissions))
                })?
                .collect::<rusqlite::Result<_>>();
            permissions.map_err(rows::named("plugin_permission", "one of all"))
        })
    }

    pub(super) fn set_permissions(&self, name: &PluginName, permissions: Permissions, audit: AuditEntry) -> Answer<'_, ()> {
        let name = name.clone();
        self.write(move |connection| {
            let text = serde_json::to_string(&permissions).map_err(|error| StoreError::Backend(error.to_string()))?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO plugin_permission (plugin, permissions) VALUES (?1, ?2)")?
                .execute([name.as_str(), &text])?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn list_audit(&self, most: u32) -> Answer<'_, Vec<AuditEntry>> {
        self.read_long(move |connection| {
            let mut statement = connection.prepare_cached("SELECT at, who, what, about FROM audit ORDER BY id DESC LIMIT ?1")?;
            let entries = statement
                .query_map([most], |row| {
                    Ok(AuditEntry { at: rows::time(row, 0)?, who: row.get(1)?, what: row.get(2)?, about: row.get(3)? })
                })?
                .collect::<rusqlite::Result<_>>();
            entries.map_err(rows::named("audit", "one of the latest"))
        })
    }
}

fn plugin_name(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<PluginName> {
    let text: String = row.get(column)?;
    PluginName::parse(&text).map_err(|what| rows::impossible(column, Type::Text, what))
}
