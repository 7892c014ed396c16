//! What no one can ask for any more goes, a little at a time.
//!
//! What can go is looked for once, on a connection that reads, however much lies before it that must stay: refresh tokens
//! keep their requests for months. Only the deleting is the writer's work, and each step of it is so small that nobody
//! waits.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::{SqliteStore, plugin_values, rows};
use crate::protocol::transaction::REDEEM_GRACE_SECONDS;
use crate::store::{Answer, StoreError};

/// Rows that one step deletes.
const STEP: u32 = 500;
/// Rows of each table that one look finds: bounds what is remembered between look and deleting, some megabytes.
const LOOK: u32 = 100_000;

/// A row that can go.
#[derive(Clone, Copy, Debug)]
enum Ended {
    AccessToken(i64, [u8; 32]),
    Family(i64),
    Request(i64),
    ByClient(i64),
    Event(i64),
}

/// A request is kept while there is something to do for it, or something that can be taken back.
const GAVE_NOTHING: &str = "NOT EXISTS (SELECT 1 FROM access_token a WHERE a.request = request.id)
    AND NOT EXISTS (SELECT 1 FROM refresh_family f WHERE f.request = request.id)";

impl SqliteStore {
    pub(super) fn delete_ended(&self, ended_before: Timestamp, now: Timestamp) -> Answer<'_, u64> {
        let (now_ms, ended_before_ms) = (rows::millis(now), rows::millis(ended_before));
        Box::pin(async move {
            let mut deleted = 0;
            // First what keeps requests, and then those that nothing keeps any more.
            deleted += self.forget_all(move |connection| access_tokens(connection, now_ms)).await?;
            deleted += self.forget_all(move |connection| families(connection, now_ms)).await?;
            deleted += self.forget_all(move |connection| requests(connection, ended_before_ms)).await?;
            deleted += self.forget_all(move |connection| by_clients(connection, ended_before_ms)).await?;
            deleted += self.delete_observers(now).await?;
            deleted += self.forget_all(move |connection| events(connection, now)).await?;
            loop {
                let step = self.write(move |connection| spent(connection, now_ms)).await?;
                deleted += step as u64;
                if step < STEP as usize {
                    break;
                }
            }
            loop {
                let step = self.write(move |connection| plugin_values::forget(connection, now_ms, STEP)).await?;
                deleted += step as u64;
                if step < STEP as usize {
                    break;
                }
            }
            let forgotten = now - SignedDuration::from_secs(REDEEM_GRACE_SECONDS);
            let enrolments = move |connection: &Connection| {
                Ok(connection.prepare_cached("DELETE FROM enrolment WHERE expires_at < ?1")?.execute([now_ms])? as u64)
            };
            deleted += self.write_then(enrolments, move |memory, _| memory.live.forget(forgotten)).await?;
            Ok(deleted)
        })
    }

    /// Deletes all that `look` finds, with another look only where it found as much as it may.
    async fn forget_all(
        &self,
        look: impl Fn(&Connection) -> Result<Vec<Ended>, StoreError> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let found = self.read_long(look).await?;
            for step in found.chunks(STEP as usize) {
                let step = step.to_vec();
                deleted += self.write(move |connection| delete(connection, &step)).await?;
            }
            if found.len() < LOOK as usize {
                return Ok(deleted);
            }
        }
    }
}

/// What clients did to themselves is kept in the audit log as long as requests are: they can do it as often as they like.
/// What operators did stays.
fn by_clients(connection: &Connection, ended_before: i64) -> Result<Vec<Ended>, StoreError> {
    let mut ended = connection.prepare_cached("SELECT id FROM audit WHERE who >= 'client ' AND who < 'client!' AND at < ?1 LIMIT ?2")?;
    let found = ended.query_map(params![ended_before, LOOK], |row| Ok(Ended::ByClient(row.get(0)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn events(connection: &Connection, now: Timestamp) -> Result<Vec<Ended>, StoreError> {
    Ok(super::events::ended(connection, now, LOOK)?.into_iter().map(Ended::Event).collect())
}

fn access_tokens(connection: &Connection, now: i64) -> Result<Vec<Ended>, StoreError> {
    let mut ended = connection.prepare_cached("SELECT request, token FROM access_token WHERE expires_at < ?1 LIMIT ?2")?;
    let found = ended.query_map(params![now, LOOK], |row| Ok(Ended::AccessToken(row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn families(connection: &Connection, now: i64) -> Result<Vec<Ended>, StoreError> {
    let mut ended = connection.prepare_cached("SELECT request FROM refresh_family WHERE expires_at < ?1 LIMIT ?2")?;
    let found = ended.query_map(params![now, LOOK], |row| row.get(0).map(Ended::Family))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn requests(connection: &Connection, ended_before: i64) -> Result<Vec<Ended>, StoreError> {
    let mut ended = Vec::new();
    // The table is in the order in which requests were made: what is younger has not ended.
    let mut requests = connection.prepare_cached(&format!(
        "SELECT id, created_at >= ?1, expires_at < ?1 AND id NOT IN (SELECT request FROM job) AND {GAVE_NOTHING} FROM request ORDER BY id"
    ))?;
    let mut rows = requests.query([ended_before])?;
    while ended.len() < LOOK as usize
        && let Some(row) = rows.next()?
    {
        if row.get(1)? {
            break;
        }
        if row.get(2)? {
            ended.push(Ended::Request(row.get(0)?));
        }
    }
    Ok(ended)
}

fn delete(connection: &Connection, ended: &[Ended]) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for ended in ended {
        deleted += match ended {
            Ended::AccessToken(request, token) => {
                connection.prepare_cached("DELETE FROM access_token WHERE request = ?1 AND token = ?2")?.execute(params![request, token])?
            }
            Ended::Family(request) => {
                connection.prepare_cached("DELETE FROM refresh_token WHERE request = ?1")?.execute([request])?
                    + connection.prepare_cached("DELETE FROM refresh_family WHERE request = ?1")?.execute([request])?
            }
            // It may have been redeemed since; a job it does not get any more.
            Ended::Request(id) => {
                connection.prepare_cached(&format!("DELETE FROM request WHERE id = ?1 AND {GAVE_NOTHING}"))?.execute([id])?
            }
            Ended::Event(id) => connection.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([id])?,
            Ended::ByClient(id) => connection.prepare_cached("DELETE FROM audit WHERE id = ?1")?.execute([id])?,
        };
    }
    Ok(u64::try_from(deleted).unwrap_or_default())
}

/// What was used once, and need not be known again.
fn spent(connection: &Connection, now: i64) -> Result<usize, StoreError> {
    let by_time = "DELETE FROM spent WHERE what IN (SELECT what FROM spent WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    Ok(connection.prepare_cached(by_time)?.execute(params![now, STEP])?)
}
