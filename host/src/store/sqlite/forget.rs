//! What no one can ask for any more goes, a little at a time.
//!
//! What can go is looked for on a connection that reads, however much lies before it that must stay: refresh tokens keep
//! their requests for months. Only the deleting is the writer's work, and each step of it is so small that nobody waits.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::{SqliteStore, rows};
use crate::protocol::transaction::REDEEM_GRACE_SECONDS;
use crate::store::{Answer, StoreError};

/// Rows of each table that one step deletes.
const STEP: u32 = 500;

/// Rows that can go.
#[derive(Default)]
struct Ended {
    access_tokens: Vec<(i64, [u8; 32])>,
    families: Vec<i64>,
    requests: Vec<i64>,
}

impl SqliteStore {
    pub(super) fn delete_ended(&self, ended_before: Timestamp, now: Timestamp) -> Answer<'_, u64> {
        let (now_ms, ended_before_ms) = (rows::millis(now), rows::millis(ended_before));
        let found = self.read_long(move |connection| find(connection, ended_before_ms, now_ms));
        Box::pin(async move {
            let found = found.await?;
            let work = move |connection: &Connection| delete(connection, &found, now_ms);
            self.write_then(work, move |memory, _| memory.live.forget(now - SignedDuration::from_secs(REDEEM_GRACE_SECONDS))).await
        })
    }
}

fn find(connection: &Connection, ended_before: i64, now: i64) -> Result<Ended, StoreError> {
    let mut ended = Ended::default();
    let mut tokens = connection.prepare_cached("SELECT request, token FROM access_token WHERE expires_at < ?1 LIMIT ?2")?;
    let found = tokens.query_map(params![now, STEP], |row| Ok((row.get(0)?, row.get(1)?)))?;
    ended.access_tokens = found.collect::<rusqlite::Result<_>>()?;
    let mut families = connection.prepare_cached("SELECT request FROM refresh_family WHERE expires_at < ?1 LIMIT ?2")?;
    ended.families = families.query_map(params![now, STEP], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;

    // The table is in the order in which requests were made: what is younger has not ended.
    let mut requests = connection.prepare_cached(&format!(
        "SELECT id, created_at >= ?1, expires_at < ?1 AND id NOT IN (SELECT request FROM job) AND {GAVE_NOTHING} FROM request ORDER BY id"
    ))?;
    let mut rows = requests.query([ended_before])?;
    while ended.requests.len() < STEP as usize
        && let Some(row) = rows.next()?
    {
        if row.get(1)? {
            break;
        }
        if row.get(2)? {
            ended.requests.push(row.get(0)?);
        }
    }
    Ok(ended)
}

/// A request is kept while there is something to do for it, or something that can be taken back.
const GAVE_NOTHING: &str = "NOT EXISTS (SELECT 1 FROM access_token a WHERE a.request = request.id)
    AND NOT EXISTS (SELECT 1 FROM refresh_family f WHERE f.request = request.id)";

fn delete(connection: &Connection, ended: &Ended, now: i64) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for (request, token) in &ended.access_tokens {
        deleted +=
            connection.prepare_cached("DELETE FROM access_token WHERE request = ?1 AND token = ?2")?.execute(params![request, token])?;
    }
    for request in &ended.families {
        deleted += connection.prepare_cached("DELETE FROM refresh_family WHERE request = ?1")?.execute([request])?;
        deleted += connection.prepare_cached("DELETE FROM refresh_token WHERE request = ?1")?.execute([request])?;
    }
    for request in &ended.requests {
        // It may have been redeemed since; a job it does not get any more.
        deleted += connection.prepare_cached(&format!("DELETE FROM request WHERE id = ?1 AND {GAVE_NOTHING}"))?.execute([request])?;
    }
    let by_time = "DELETE FROM spent WHERE what IN (SELECT what FROM spent WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    deleted += connection.prepare_cached(by_time)?.execute(params![now, STEP])?;
    deleted += connection.prepare_cached("DELETE FROM enrolment WHERE expires_at < ?1")?.execute([now])?;
    Ok(u64::try_from(deleted).unwrap_or_default())
}
