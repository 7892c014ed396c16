//! The log of events: what happened, and how far each observing plugin has heard.
//!
//! An event is written in the transaction that it tells of. While nobody observes, none is written, and all that this
//! costs is to look whether somebody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::watch;

use super::{SqliteStore, rows};
use crate::protocol::identifier::{ClientId, TransactionId, UserId};
use crate::protocol::plugin::PluginName;
use crate::store::{Answer, EVENTS_KEPT, EventKind, RequestEvent, StoreError, Unheard};

/// Writes events. Used on the writer's thread alone.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Whether anybody may want to hear. It may say so of nobody, never the other way round.
    wanted: AtomicBool,
    /// Whether the transaction that is under way has written one.
    written: AtomicBool,
    /// Counts commits with events.
    commits: watch::Sender<u64>,
}

impl Events {
    /// As the tables say.
    pub(super) fn look(connection: &Connection) -> rusqlite::Result<Self> {
        let wanted = connection.query_row("SELECT EXISTS (SELECT 1 FROM observer)", [], |row| row.get(0))?;
        Ok(Self { wanted: AtomicBool::new(wanted), ..Self::default() })
    }

    /// Writes what happened to the request in this row, if anybody wants to hear of it.
    pub(super) fn happened(&self, connection: &Connection, kind: EventKind, request: i64, at: Timestamp) -> rusqlite::Result<()> {
        if !self.wanted.load(Ordering::Relaxed) {
            return Ok(());
        }
        connection
            .prepare_cached(
                "INSERT INTO event (kind, at, request, client, user) SELECT ?1, ?2, token, client, user FROM request WHERE id = ?3",
            )?
            .execute(params![kind.as_str(), rows::millis(at), request])?;
        self.written.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A transaction has ended, well or not.
    pub(super) fn ended(&self) {
        if self.written.swap(false, Ordering::Relaxed) {
            self.commits.send_modify(|commits| *commits += 1);
        }
    }

    /// A plugin observes from now on, or does not any more. What it has not heard of by then waits for it.
    pub(super) fn observes(&self, connection: &Connection, plugin: &PluginName, observes: bool, now: Timestamp) -> rusqlite::Result<()> {
        if observes {
            // Before the commit, so that what comes after it in the same one is written; too many is no harm.
            self.wanted.store(true, Ordering::Relaxed);
            connection
                .prepare_cached(
                    "INSERT INTO observer (plugin, heard) VALUES (?1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0))
                     ON CONFLICT (plugin) DO UPDATE SET gone_at = NULL",
                )?
                .execute([plugin.as_str()])?;
        } else {
            connection
                .prepare_cached("UPDATE observer SET gone_at = ?2 WHERE plugin = ?1 AND gone_at IS NULL")?
                .execute(params![plugin.as_str(), rows::millis(now)])?;
        }
        Ok(())
    }
}

impl SqliteStore {
    pub(super) fn watch_events(&self) -> watch::Receiver<u64> {
        self.memory.events.commits.subscribe()
    }

    pub(super) fn find_unheard(&self, plugin: &PluginName, most: u32) -> Answer<'_, Unheard> {
        self.read(|connection| {
            let heard: Option<i64> = connection
                .prepare_cached("SELECT heard FROM observer WHERE plugin = ?1")?
                .query_row([plugin.as_str()], |row| row.get(0))
                .optional()?;
            let Some(heard) = heard else { return Ok(Unheard::default()) };
            let mut next =
                connection.prepare_cached("SELECT id, kind, at, request, client, user FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let events: rusqlite::Result<Vec<_>> = next.query_map(params![heard, most], event)?.collect();
            let events = events.map_err(rows::named("event", &format!("after {heard}")))?;
            // No number is left out when they are given: those that are missing are gone.
            let lost = events.first().map_or(0, |first| u64::try_from(first.id - heard - 1).unwrap_or_default());
            Ok(Unheard { lost, events })
        })
    }

    pub(super) fn set_heard(&self, plugin: &PluginName, event: i64) -> Answer<'_, ()> {
        let plugin = plugin.clone();
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE observer SET heard = ?2 WHERE plugin = ?1 AND heard < ?2")?
                .execute(params![plugin.as_str(), event])?;
            Ok(())
        })
    }

    /// Places that were kept for long enough go, and with the last of them the writing of events.
    pub(super) fn delete_observers(&self, now: Timestamp) -> Answer<'_, u64> {
        let (memory, after) = (Arc::clone(&self.memory), Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let gone = connection.prepare_cached("DELETE FROM observer WHERE gone_at < ?1")?.execute([rows::millis(now - EVENTS_KEPT)])?;
            if gone > 0 {
                memory.events.wanted.store(Events::look(connection)?.wanted.into_inner(), Ordering::Relaxed);
            }
            Ok(gone as u64)
        };
        self.writer.submit(work, move |result| {
            if result.is_err() {
                // They are all there still.
                after.events.wanted.store(true, Ordering::Relaxed);
            }
        })
    }
}

fn event(row: &rusqlite::Row<'_>) -> rusqlite::Result<RequestEvent> {
    let word: String = row.get(1)?;
    let known = EventKind::ALL.into_iter().find(|known| known.as_str() == word);
    Ok(RequestEvent {
        id: row.get(0)?,
        kind: known.ok_or_else(|| rows::impossible(1, Type::Text, format!("`{word}` is not a kind of event")))?,
        at: rows::time(row, 2)?,
        transaction: TransactionId(row.get(3)?),
        client: ClientId(row.get(4)?),
        user: UserId(row.get(5)?),
    })
}

/// Events that everybody who wants to has heard of, or that are too old: the first of them, because those after it are
/// younger.
pub(super) fn ended(connection: &Connection, now: Timestamp, most: u32) -> Result<Vec<i64>, StoreError> {
    let heard: i64 = connection
        .prepare_cached("SELECT coalesce((SELECT min(heard) FROM observer), 9223372036854775807)")?
        .query_row([], |row| row.get(0))?;
    let mut ended = Vec::new();
    let mut events = connection.prepare_cached("SELECT id, id <= ?1 OR at < ?2 FROM event ORDER BY id LIMIT ?3")?;
    let mut rows = events.query(params![heard, rows::millis(now - EVENTS_KEPT), most])?;
    while let Some(row) = rows.next()?
        && row.get(1)?
    {
        ended.push(row.get(0)?);
    }
    Ok(ended)
}
