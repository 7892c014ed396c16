//! Which plugin version serves, what it may do, and who said so.

use rusqlite::OptionalExtension as _;
use rusqlite::types::Type;

use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::store::{ActivePlugin, Answer, AuditEntry, SetAside, StoreError};

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
            let mut statement = connection.prepare_cached(
                "SELECT name, artefact, file, since, set_aside, rolled_back_by,
                        EXISTS (SELECT 1 FROM plugin_version WHERE plugin = name AND until IS NULL) FROM plugin ORDER BY name",
            )?;
            let plugins = statement
                .query_map([], |row| {
                    Ok(ActivePlugin {
                        name: plugin_name(row, 0)?,
                        artefact: ArtefactDigest(row.get(1)?),
                        file: row.get(2)?,
                        since: rows::time(row, 3)?,
                        set_aside: row
                            .get::<_, Option<String>>(4)?
                            .map(|file| Ok::<_, rusqlite::Error>(SetAside { file: ArtefactDigest(file), by: row.get(5)? }))
                            .transpose()?,
                        serves: row.get(6)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>();
            plugins.map_err(rows::named("plugin", "one of all"))
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
}

pub(super) fn plugin_name(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<PluginName> {
    let text: String = row.get(column)?;
    PluginName::parse(&text).map_err(|what| rows::impossible(column, Type::Text, what))
}
