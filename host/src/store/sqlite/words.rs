//! What operators said of plugins by command, and the log of what everybody did.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::plugins::plugin_name;
use super::registry::append_audit;
use super::versions::{end, prune};
use super::{SqliteStore, rows};
use crate::protocol::plugin::{Mode, PluginName, Word, Words};
use crate::store::{Answer, AuditEntry, AuditQuery, NewWords, Switch};

impl SqliteStore {
    pub(super) fn list_words(&self) -> Answer<'_, Vec<(PluginName, Words)>> {
        self.read_long(|connection| {
            let mut all: BTreeMap<PluginName, Words> = BTreeMap::new();
            let mut statement = connection.prepare_cached("SELECT plugin, about, word, who, at FROM plugin_word")?;
            let mut words = statement.query([])?;
            let mut read = || {
                while let Some(row) = words.next()? {
                    let of = all.entry(plugin_name(row, 0)?).or_default();
                    let (about, said): (String, String) = (row.get(1)?, row.get(2)?);
                    let (who, at) = (row.get(3)?, rows::time(row, 4)?);
                    let impossible = || rows::impossible(2, Type::Text, format!("`{said}` as its {about}"));
                    match &*about {
                        "mode" => of.mode = Some(Word { is: Mode::parse(&said).ok_or_else(impossible)?, who, at }),
                        "order" => of.order = Some(Word { is: said.parse().map_err(|_| impossible())?, who, at }),
                        _ => return Err(impossible()),
                    }
                }
                Ok(())
            };
            read().map_err(rows::named("plugin_word", "one of all"))?;
            Ok(all.into_iter().collect())
        })
    }

    pub(super) fn replace_words(&self, NewWords { plugin, words, turn, audit }: NewWords) -> Answer<'_, ()> {
        let memory = Arc::clone(&self.memory);
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM plugin_word WHERE plugin = ?1")?.execute([plugin.as_str()])?;
            if let Some(mode) = &words.mode {
                insert(connection, &plugin, "mode", mode, mode.is.as_str())?;
            }
            if let Some(order) = &words.order {
                insert(connection, &plugin, "order", order, &order.is.to_string())?;
            }
            match &turn {
                None => {}
                Some(Switch::Off) => {
                    end(connection, &plugin, audit.at)?;
                    memory.events.observes(connection, &plugin, false, audit.at)?;
                }
                Some(Switch::On { version, settings, observes }) => {
                    connection
                        .prepare_cached(
                            "INSERT INTO plugin_version (plugin, artefact, file, settings, version, since, rolled_back_by)
                             SELECT name, artefact, file, ?2, ?3, ?4, rolled_back_by FROM plugin WHERE name = ?1
                                AND NOT EXISTS (SELECT 1 FROM plugin_version WHERE plugin = ?1 AND until IS NULL)",
                        )?
                        .execute(params![plugin.as_str(), settings, version, rows::millis(audit.at)])?;
                    prune(connection, &plugin)?;
                    memory.events.observes(connection, &plugin, *observes, audit.at)?;
                }
            }
            append_audit(connection, &audit)
        })
    }

    pub(super) fn list_audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditEntry>> {
        self.read_long(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT at, who, what, about FROM audit
                 WHERE at >= coalesce(?1, 0) AND (?2 IS NULL OR instr(what, ?2) > 0 OR instr(about, ?2) > 0 OR instr(who, ?2) > 0)
                 ORDER BY id DESC LIMIT ?3",
            )?;
            let entries = statement
                .query_map(params![query.since.map(rows::millis), query.word, query.most], |row| {
                    Ok(AuditEntry { at: rows::time(row, 0)?, who: row.get(1)?, what: row.get(2)?, about: row.get(3)? })
                })?
                .collect::<rusqlite::Result<_>>();
            entries.map_err(rows::named("audit", "one of the latest"))
        })
    }
}

fn insert<T>(connection: &Connection, plugin: &PluginName, about: &str, word: &Word<T>, said: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO plugin_word (plugin, about, word, who, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![plugin.as_str(), about, said, word.who, rows::millis(word.at)])
        .map(drop)
}
