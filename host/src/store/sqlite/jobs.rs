//! The outbox: what must still happen outside.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::schedule::Schedule;
use super::waiting::Waits;
use super::{SqliteStore, rows};
use crate::protocol::transaction::Stored;
use crate::store::{Answer, Job, JobKind, Lane, Next, NotifyResult, Parties, StoreError};

impl SqliteStore {
    pub(super) fn lease_jobs(&self, lane: Lane, now: Timestamp, most: usize) -> Answer<'_, Vec<Job>> {
        let given = self.memory.schedule().lease(lane, now, most);
        let mut jobs = Vec::with_capacity(given.len());
        let mut unread = Vec::new();
        for (id, job) in given {
            // What was kept is as old as the job: the request may have been decided since.
            let known = job.and_then(|job| self.memory.live.find(&job.request.transaction).map(|(_, request)| Job { request, ..job }));
            match known {
                Some(job) => jobs.push(job),
                None => unread.push(id),
            }
        }
        if unread.is_empty() {
            return Box::pin(std::future::ready(Ok(jobs)));
        }
        let read = self.readers.with(|connection| {
            for id in &unread {
                match job(connection, *id) {
                    Ok(Some(job)) => jobs.push(job),
                    // It stays leased, so that it is not tried again before a restart.
                    Ok(None) => tracing::error!(job = id, "the schedule has a job that the table has not"),
                    Err(error @ StoreError::Impossible { .. }) => tracing::error!(%error, "a job cannot be read; it is left out"),
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            let mut schedule = self.memory.schedule();
            for id in unread.into_iter().chain(jobs.into_iter().map(|job| job.id)) {
                schedule.release(id, now);
            }
            return Box::pin(std::future::ready(Err(error)));
        }
        Box::pin(std::future::ready(Ok(jobs)))
    }

    pub(super) fn complete_notify(&self, job: &Job, result: NotifyResult) -> Answer<'_, ()> {
        let (id, user) = (job.id, job.request.user.clone());
        let (note, at) = result.shown.as_ref().map_or((None, Timestamp::UNIX_EPOCH), |shown| (shown.note.clone(), shown.at));
        let next = result.next;
        let devices_gone = !result.gone.is_empty();
        let work = move |connection: &Connection| {
            let notified = serde_json::to_string(&result.notified).map_err(|error| StoreError::Backend(error.to_string()))?;
            let shown = result.shown.is_some();
            // A note arrives with the commit that ends the job; a request that was shown keeps the time it was.
            let request: Option<(Waits, String)> = connection
                .prepare_cached(
                    "UPDATE request SET notified = ?2, shown_at = CASE WHEN ?3 THEN coalesce(shown_at, ?5) ELSE shown_at END,
                        note = CASE WHEN ?3 THEN coalesce(?4, note) ELSE note END
                     WHERE id = (SELECT request FROM job WHERE id = ?1) RETURNING id, token, expires_at, state",
                )?
                .query_row(params![id, notified, shown, note, rows::millis(at)], |row| Ok((rows::waits(row)?, row.get(3)?)))
                .optional()?;
            // A device page is its person's, whatever a plugin says of it.
            for device in &result.gone {
                connection
                    .prepare_cached("DELETE FROM device WHERE id = ?1 AND user = ?2 AND session IS NULL")?
                    .execute([device.as_str(), user.as_str()])?;
            }
            let mut withdraw: Option<(i64, i64)> = None;
            let mut waits = None;
            if let Some((request, state)) = request {
                let pending = state == Stored::Pending.as_str();
                if result.withdraw {
                    let due_at = if pending { request.expires_at } else { 0 };
                    withdraw = connection
                        .prepare_cached(
                            "INSERT INTO job (kind, request, due_at) SELECT 'withdraw', ?1, ?2
                         WHERE NOT EXISTS (SELECT 1 FROM job WHERE request = ?1 AND kind <> 'notify' AND kind = 'withdraw') RETURNING id, due_at",
                        )?
                        .query_row(params![request.id, due_at], |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()?;
                }
                waits = Some(request).filter(|_| shown && pending);
            }
            end_or_postpone(connection, id, next)?;
            Ok((withdraw, waits))
        };
        let whose = job.request.user.clone();
        let written = self.write_then(work, move |memory, (withdraw, waits)| {
            let mut schedule = memory.schedule();
            schedule.worked_on(id, JobKind::Notify, next);
            if let Some((withdraw, due_at)) = withdraw {
                schedule.add(*withdraw, JobKind::Withdraw, *due_at);
            }
            if let Some(waits) = waits {
                memory.waiting.shown(&whose, waits, at);
            }
            if devices_gone {
                memory.known.forget();
            }
        });
        Box::pin(async move { written.await.map(drop) })
    }

    pub(super) fn complete_job(&self, job: &Job, next: Next) -> Answer<'_, ()> {
        let (id, kind) = (job.id, job.kind);
        let work = move |connection: &Connection| end_or_postpone(connection, id, next);
        self.write_then(work, move |memory, ()| memory.schedule().worked_on(id, kind, next))
    }
}

/// Every job there is, none of them given out.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Schedule> {
    let mut schedule = Schedule::default();
    let mut statement = connection.prepare("SELECT id, kind, due_at FROM job")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        schedule.add(row.get(0)?, kind(row, 1)?, row.get(2)?);
    }
    Ok(schedule)
}

fn job(connection: &Connection, id: i64) -> Result<Option<Job>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {}, j.id, j.kind, j.attempts, r.notified, CASE WHEN c.origin <> 'registered' THEN c.name END, u.name, u.locale, r.to_notify
             FROM job j JOIN request r ON r.id = j.request LEFT JOIN client c ON c.id = r.client LEFT JOIN user u ON u.id = r.user
             WHERE j.id = ?1",
            rows::REQUEST
        ))?
        .query_row([id], |row| read_job(row, id))
        .optional()
        .map_err(rows::named("job", &id.to_string()))
}

fn read_job(row: &rusqlite::Row<'_>, id: i64) -> rusqlite::Result<Job> {
    Ok(Job {
        id,
        kind: kind(row, rows::REQUEST_COLUMNS + 1)?,
        attempts: row.get(rows::REQUEST_COLUMNS + 2)?,
        request: rows::request(row)?,
        notified: rows::notified(row, rows::REQUEST_COLUMNS + 3)?,
        parties: Parties {
            client_name: row.get(rows::REQUEST_COLUMNS + 4)?,
            user_name: row.get(rows::REQUEST_COLUMNS + 5)?,
            locale: row.get(rows::REQUEST_COLUMNS + 6)?,
        },
        to_notify: row.get(rows::REQUEST_COLUMNS + 7)?,
    })
}

fn kind(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<JobKind> {
    let kind: String = row.get(column)?;
    let known = JobKind::ALL.into_iter().find(|known| known.as_str() == kind);
    known.ok_or_else(|| rows::impossible(column, Type::Text, format!("`{kind}` is not a kind of job")))
}

fn end_or_postpone(connection: &Connection, id: i64, next: Next) -> Result<(), StoreError> {
    match next {
        Next::End => {
            // What a client was to be told with is kept no longer than that.
            connection
                .prepare_cached(
                    "UPDATE request SET to_notify = NULL WHERE id = (SELECT request FROM job WHERE id = ?1 AND kind IN ('ping', 'push'))",
                )?
                .execute([id])?;
            connection.prepare_cached("DELETE FROM job WHERE id = ?1")?.execute([id])?
        }
        Next::GoOn => 0,
        Next::Wait(at) | Next::NotBefore(at) => connection
            .prepare_cached("UPDATE job SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1")?
            .execute(params![id, rows::millis(at)])?,
    };
    Ok(())
}
