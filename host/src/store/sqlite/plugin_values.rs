//! What plugins keep. Each row is charged to its plugin in the write that makes or removes it, so that the quota is one
//! row to look at.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{SqliteStore, rows};
use crate::protocol::plugin::PluginName;
use crate::store::{Answer, Condition, KeptValue, NewValue, Quota, StoreError, Written};

/// A value without its bytes.
struct Stored {
    version: u64,
    size: u64,
}

/// What one plugin keeps, and how often it wrote.
#[derive(Clone, Copy, Default)]
struct Sums {
    keys: u64,
    bytes: u64,
    written: u64,
}

impl Sums {
    /// What is kept where this is written in the place of `old`.
    fn with(self, size: u64, old: Option<&Stored>) -> Self {
        let (keys, bytes) = old.map_or((0, 0), |old| (1, old.size));
        Self { keys: self.keys.saturating_sub(keys) + 1, bytes: self.bytes.saturating_sub(bytes) + size, written: self.written + 1 }
    }

    /// Less than before fits always: the operator may have lowered the quota.
    fn fits(self, quota: Quota, before: Self) -> bool {
        (self.keys <= quota.keys || self.keys <= before.keys) && (self.bytes <= quota.bytes || self.bytes <= before.bytes)
    }
}

impl SqliteStore {
    pub(super) fn find_plugin_value(&self, plugin: &PluginName, key: &str, now: Timestamp) -> Answer<'_, Option<KeptValue>> {
        self.read(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT value, version FROM plugin_value WHERE plugin = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
                )?
                .query_row(params![plugin.as_str(), key, rows::millis(now)], |row| {
                    Ok(KeptValue { value: row.get(0)?, version: row.get(1)? })
                })
                .optional()?;
            Ok(found)
        })
    }

    pub(super) fn set_plugin_value(&self, new: NewValue, quota: Quota, now: Timestamp) -> Answer<'_, Written> {
        self.write(move |connection| {
            let plugin = new.plugin.as_str();
            let old = lives(connection, plugin, &new.key, now)?;
            if !new.when.holds(old.as_ref().map(|old| old.version)) {
                return Ok(Written::Differs);
            }
            let size = (new.key.len() + new.value.len()) as u64;
            let mut before = sums(connection, plugin)?;
            let mut after = before.with(size, old.as_ref());
            if !after.fits(quota, before) {
                // What has expired takes its room until somebody needs it.
                expire(connection, plugin, now)?;
                before = sums(connection, plugin)?;
                after = before.with(size, old.as_ref());
            }
            if !after.fits(quota, before) {
                return Ok(Written::Full);
            }
            connection
                .prepare_cached(
                    "INSERT INTO plugin_value (plugin, key, version, expires_at, size, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (plugin, key) DO UPDATE SET
                         version = excluded.version, expires_at = excluded.expires_at, size = excluded.size, value = excluded.value",
                )?
                .execute(params![plugin, new.key, after.written, new.expires_at.map(rows::millis), size, new.value])?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO plugin_storage (plugin, keys, bytes, written) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![plugin, after.keys, after.bytes, after.written])?;
            Ok(Written::Version(after.written))
        })
    }

    pub(super) fn delete_plugin_value(&self, plugin: &PluginName, key: &str, when: Condition, now: Timestamp) -> Answer<'_, bool> {
        let (plugin, key) = (plugin.clone(), key.to_owned());
        self.write(move |connection| {
            let Some(old) = lives(connection, plugin.as_str(), &key, now)? else { return Ok(false) };
            if !when.holds(Some(old.version)) {
                return Ok(false);
            }
            let removed = "DELETE FROM plugin_value WHERE plugin = ?1 AND key = ?2 RETURNING plugin, size";
            remove(connection, removed, params![plugin.as_str(), key])?;
            Ok(true)
        })
    }

    pub(super) fn list_plugin_keys(
        &self,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        most: u32,
        now: Timestamp,
    ) -> Answer<'_, Vec<String>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM plugin_value WHERE plugin = ?1 AND key >= ?2 AND key > ?3 AND (expires_at IS NULL OR expires_at > ?4)
                 ORDER BY key",
            )?;
            // No key is empty: what comes after nothing is everything.
            let mut found = statement.query(params![plugin.as_str(), prefix, after.unwrap_or_default(), rows::millis(now)])?;
            let mut keys: Vec<String> = Vec::new();
            while keys.len() < most as usize
                && let Some(row) = found.next()?
            {
                let key: String = row.get(0)?;
                // Those that begin alike stand together.
                if !key.starts_with(prefix) {
                    break;
                }
                keys.push(key);
            }
            Ok(keys)
        })
    }
}

/// The value of this key; what has expired is gone, and gives its room back.
fn lives(connection: &Connection, plugin: &str, key: &str, now: Timestamp) -> Result<Option<Stored>, StoreError> {
    let expired = "DELETE FROM plugin_value WHERE plugin = ?1 AND key = ?2 AND expires_at <= ?3 RETURNING plugin, size";
    remove(connection, expired, params![plugin, key, rows::millis(now)])?;
    let found = connection
        .prepare_cached("SELECT version, size FROM plugin_value WHERE plugin = ?1 AND key = ?2")?
        .query_row(params![plugin, key], |row| Ok(Stored { version: row.get(0)?, size: row.get(1)? }))
        .optional()?;
    Ok(found)
}

fn sums(connection: &Connection, plugin: &str) -> Result<Sums, StoreError> {
    let found = connection
        .prepare_cached("SELECT keys, bytes, written FROM plugin_storage WHERE plugin = ?1")?
        .query_row([plugin], |row| Ok(Sums { keys: row.get(0)?, bytes: row.get(1)?, written: row.get(2)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Removes everything of one plugin that has expired.
fn expire(connection: &Connection, plugin: &str, now: Timestamp) -> Result<usize, StoreError> {
    let expired = "DELETE FROM plugin_value WHERE plugin = ?1 AND expires_at <= ?2 RETURNING plugin, size";
    remove(connection, expired, params![plugin, rows::millis(now)])
}

/// One step of forgetting what has expired, whosever it is.
pub(super) fn forget(connection: &Connection, now: i64, most: u32) -> Result<usize, StoreError> {
    let expired = "DELETE FROM plugin_value WHERE rowid IN
        (SELECT rowid FROM plugin_value WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING plugin, size";
    remove(connection, expired, params![now, most])
}

/// Runs a `DELETE` that answers plugin and size of what it removed, and takes those off the sums.
fn remove(connection: &Connection, delete: &str, parameters: impl rusqlite::Params) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(delete)?;
    let removed = statement.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let removed: Vec<(String, u64)> = removed.collect::<rusqlite::Result<_>>()?;
    let mut charge = connection.prepare_cached("UPDATE plugin_storage SET keys = keys - 1, bytes = bytes - ?2 WHERE plugin = ?1")?;
    for (plugin, size) in &removed {
        charge.execute(params![plugin, size])?;
    }
    Ok(removed.len())
}
