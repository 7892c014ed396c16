//! The outbox: what must still happen outside.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{SqliteStore, rows};
use crate::store::{Answer, Job, JobKind, NotifyResult, StoreError};

impl SqliteStore {
    pub(super) fn lease_jobs(&self, now: Timestamp, most: usize) -> Answer<'_, Vec<Job>> {
        let result = {
            let mut leased = self.leased();
            let due = self.readers.with(|connection| due_jobs(connection, now, most, &leased));
            if let Ok(jobs) = &due {
                leased.extend(jobs.iter().map(|job| job.id));
            }
            due
        };
        Box::pin(std::future::ready(result))
    }

    pub(super) fn complete_notify(&self, job: &Job, result: NotifyResult) -> Answer<'_, ()> {
        let (id, expires_at, user) = (job.id, job.request.expires_at, job.request.user.clone());
        let (note, at) = result.shown.as_ref().map_or((None, Timestamp::UNIX_EPOCH), |shown| (shown.note.clone(), shown.at));
        let write = self.write(move |connection| {
            let notified = serde_json::to_string(&result.notified).map_err(|error| StoreError::Backend(error.to_string()))?;
            let shown = result.shown.is_some();
            // A note arrives with the commit that ends the job; a request that was shown keeps the time it was.
            let request: Option<(i64, String)> = connection
                .prepare_cached(
                    "UPDATE request SET notified = ?2, shown_at = CASE WHEN ?3 THEN coalesce(shown_at, ?5) ELSE shown_at END,
                        note = CASE WHEN ?3 THEN ?4 ELSE note END
                     WHERE id = (SELECT request FROM job WHERE id = ?1) RETURNING id, state",
                )?
                .query_row(params![id, notified, shown, note, rows::millis(at)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            for device in &result.gone {
                connection.prepare_cached("DELETE FROM device WHERE id = ?1 AND user = ?2")?.execute([device.as_str(), user.as_str()])?;
            }
            if let Some((request, state)) = request
                && result.withdraw
            {
                let due_at = if state == "pending" { rows::millis(expires_at) } else { 0 };
                connection
                    .prepare_cached(
                        "INSERT INTO job (kind, request, due_at) SELECT 'withdraw', ?1, ?2
                         WHERE NOT EXISTS (SELECT 1 FROM job WHERE request = ?1 AND kind = 'withdraw')",
                    )?
                    .execute(params![request, due_at])?;
            }
            end_or_postpone(connection, id, result.again_at)
        });
        self.lease_until(id, write)
    }

    pub(super) fn complete_job(&self, job: &Job, again_at: Option<Timestamp>) -> Answer<'_, ()> {
        let id = job.id;
        let write = self.write(move |connection| end_or_postpone(connection, id, again_at));
        self.lease_until(id, write)
    }

    /// Gives the lease back when the write has been answered, and not when it has only run: until its commit the
    /// old row would still be found due.
    fn lease_until<'a>(&'a self, id: i64, write: Answer<'a, ()>) -> Answer<'a, ()> {
        struct Lease<'a>(&'a SqliteStore, i64);
        impl Drop for Lease<'_> {
            fn drop(&mut self) {
                self.0.leased().remove(&self.1);
            }
        }
        let lease = Lease(self, id);
        Box::pin(async move {
            let result = write.await;
            drop(lease);
            result
        })
    }

    pub(super) fn delete_ended(&self, ended_before: Timestamp, now: Timestamp) -> Answer<'_, u64> {
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM access_grant WHERE expires_at < ?1")?.execute([rows::millis(now)])?;
            connection.prepare_cached("DELETE FROM enrolment WHERE expires_at < ?1")?.execute([rows::millis(now)])?;
            let forgotten = connection
                .prepare_cached(
                    "DELETE FROM request WHERE id IN (SELECT id FROM request WHERE expires_at < ?1
                        AND id NOT IN (SELECT request FROM job) LIMIT 10000)",
                )?
                .execute([rows::millis(ended_before)])?;
            Ok(u64::try_from(forgotten).unwrap_or_default())
        })
    }
}

fn due_jobs(connection: &Connection, now: Timestamp, most: usize, leased: &HashSet<i64>) -> Result<Vec<Job>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, j.id, j.kind, j.attempts, r.notified, c.name, u.name, u.locale FROM job j JOIN request r ON r.id = j.request
         LEFT JOIN client c ON c.id = r.client LEFT JOIN user u ON u.id = r.user WHERE j.due_at <= ?1 ORDER BY j.due_at, j.id LIMIT ?2",
        rows::REQUEST
    ))?;
    let limit = i64::try_from(most + leased.len()).unwrap_or(i64::MAX);
    let mut found = statement.query(params![rows::millis(now), limit])?;
    let mut jobs = Vec::new();
    while let Some(row) = found.next()? {
        let id: i64 = row.get(rows::REQUEST_COLUMNS)?;
        if leased.contains(&id) {
            continue;
        }
        let job = read_job(row, id).map_err(rows::named("job", &id.to_string()))?;
        jobs.push(job);
        if jobs.len() == most {
            break;
        }
    }
    Ok(jobs)
}

fn read_job(row: &rusqlite::Row<'_>, id: i64) -> rusqlite::Result<Job> {
    let kind: String = row.get(rows::REQUEST_COLUMNS + 1)?;
    Ok(Job {
        id,
        kind: match kind.as_str() {
            "notify" => JobKind::Notify,
            "withdraw" => JobKind::Withdraw,
            other => return Err(rows::impossible(rows::REQUEST_COLUMNS + 1, Type::Text, format!("`{other}` is not a kind of job"))),
        },
        attempts: row.get(rows::REQUEST_COLUMNS + 2)?,
        request: rows::request(row)?,
        notified: rows::notified(row, rows::REQUEST_COLUMNS + 3)?,
        client_name: row.get(rows::REQUEST_COLUMNS + 4)?,
        user_name: row.get(rows::REQUEST_COLUMNS + 5)?,
        locale: row.get(rows::REQUEST_COLUMNS + 6)?,
    })
}

fn end_or_postpone(connection: &Connection, id: i64, again_at: Option<Timestamp>) -> Result<(), StoreError> {
    match again_at {
        None => connection.prepare_cached("DELETE FROM job WHERE id = ?1")?.execute([id])?,
        Some(at) => connection
            .prepare_cached("UPDATE job SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1")?
            .execute(params![id, rows::millis(at)])?,
    };
    Ok(())
}
