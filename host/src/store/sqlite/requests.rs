//! Authentication requests: started, decided, redeemed, each by one compare-and-swap.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::events::Events;
use super::grants::revoke;
use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UnverifiedBearer, UserId};
use crate::protocol::transaction::Request;
use crate::store::{
    Answer, AuditEntry, Card, Decided, DecisionBy, EventKind, Job, JobKind, Listed, NewRequest, Spent, Start, StoreError, Telling,
};

impl SqliteStore {
    pub(super) fn insert_request(&self, new: NewRequest) -> Answer<'_, Start> {
        let NewRequest { request, auth_req_id, notify, note, to_notify, spends, supersedes } = new;
        let (stored, notifies) = (request.clone(), notify.is_some());
        let told = Some(JobKind::of_outcome(request.delivery)).filter(|_| to_notify.is_some()).flatten();
        let memory = Arc::clone(&self.memory);
        let work = move |connection: &Connection| {
            for (number, spent) in spends.iter().enumerate() {
                if !spend(connection, spent)? {
                    // Nothing of a request that is refused is used up.
                    for spent in &spends[..number] {
                        connection.prepare_cached("DELETE FROM spent WHERE what = ?1")?.execute([spent.what.0])?;
                    }
                    return Ok(Written { start: Start::Spent, notify: None, outcome: None, hastened: Vec::new() });
                }
            }
            let (superseded, hastened) = if supersedes { supersede(connection, &memory.events, &request)? } else { Default::default() };
            insert(connection, &request, auth_req_id, note.as_deref(), to_notify.as_deref())?;
            let id = connection.last_insert_rowid();
            memory.events.happened(connection, EventKind::Started, id, request.created_at)?;
            let job = |kind: JobKind, due_at: i64| -> rusqlite::Result<i64> {
                connection.prepare_cached("INSERT INTO job (kind, request, due_at) VALUES (?1, ?2, ?3)")?.execute(params![
                    kind.as_str(),
                    id,
                    due_at
                ])?;
                Ok(connection.last_insert_rowid())
            };
            // That it expired is news too: the job is due then, and earlier when the request ends earlier.
            let outcome = told.map(|kind| job(kind, rows::millis(request.expires_at))).transpose()?;
            let notify = if notifies { Some(job(JobKind::Notify, rows::millis(request.created_at))?) } else { None };
            Ok(Written { start: Start::Stored(superseded), notify, outcome, hastened })
        };
        let written = self.write_then(work, move |memory, written| {
            let Start::Stored(superseded) = &written.start else { return };
            for request in superseded {
                memory.live.decided(request);
                memory.waiting.decided(&request.user, &request.transaction);
            }
            if let Some(digest) = auth_req_id {
                memory.live.started(digest, stored.clone());
            }
            memory.due(&written.hastened, stored.created_at);
            let mut schedule = memory.schedule();
            if let (Some(id), Some(kind)) = (written.outcome, told) {
                schedule.add(id, kind, rows::millis(stored.expires_at));
            }
            if let (Some(parties), Some(id)) = (notify, written.notify) {
                let due_at = rows::millis(stored.created_at);
                let job = Job { id, kind: JobKind::Notify, attempts: 0, request: stored, notified: Vec::new(), parties, to_notify: None };
                schedule.add_whole(job, due_at);
            }
        });
        Box::pin(async move { written.await.map(|written| written.start) })
    }

    pub(super) fn find_request_by_auth_req_id(&self, auth_req_id: &UnverifiedBearer) -> Answer<'_, Option<Request>> {
        let issued = |(issued, request): (Digest, Request)| auth_req_id.digest.matches(&issued).then_some(request);
        if let Some(live) = self.memory.live.find(&auth_req_id.transaction) {
            return Box::pin(std::future::ready(Ok(issued(live))));
        }
        self.read(|connection| {
            let stored: Option<(Option<[u8; 32]>, Request)> = connection
                .prepare_cached(&format!("SELECT {}, r.auth_req_id FROM request r WHERE r.token = ?1", rows::REQUEST))?
                .query_row([auth_req_id.transaction.as_str()], |row| Ok((row.get(rows::REQUEST_COLUMNS)?, rows::request(row)?)))
                .optional()
                .map_err(rows::named("request", auth_req_id.transaction.as_str()))?;
            // Without a digest it is an outside provider's, which nobody redeems here.
            Ok(stored.and_then(|(digest, request)| issued((Digest(digest?), request))))
        })
    }

    /// The person who decides is the person who was asked for: user, state and expiry stand in one `WHERE`.
    pub(super) fn swap_decision(&self, by: DecisionBy, now: Timestamp) -> Answer<'_, Decided> {
        let (user, transaction, memory) = (by.user.clone(), by.transaction.clone(), Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let evidence = by.evidence.as_ref().map(rows::to_json).transpose()?;
            let swapped: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = ?1, decided_at = ?2, decided_on = ?3, decided_by = ?6, evidence = ?7
                     WHERE token = ?4 AND user = ?5 AND state = 'pending' AND expires_at > ?2 RETURNING id",
                )?
                .query_row(
                    params![
                        by.decision.leads_to().as_str(),
                        rows::millis(now),
                        by.device_name,
                        by.transaction.as_str(),
                        by.user.as_str(),
                        by.device.as_ref().map(DeviceId::as_str),
                        evidence,
                    ],
                    |row| row.get(0),
                )
                .optional()?;
            let (id, card) = match (swapped, card(connection, &by.user, &by.transaction)?.map(Box::new)) {
                (Some(id), Some(card)) => (id, card),
                (_, card) => return Ok((Decided::Not(card), Vec::new())),
            };
            memory.events.happened(connection, by.decision.into(), id, now)?;
            let hastened = hasten_end(connection, id, now)?;
            if let Some(entry) = &by.audit {
                append_audit(connection, entry)?;
            }
            Ok((Decided::Now(card), hastened))
        };
        let written = self.write_then(work, move |memory, (decided, hastened)| {
            if let Decided::Now(card) = decided {
                memory.live.decided(&card.request);
                memory.waiting.decided(&user, &transaction);
            }
            memory.due(hastened, now);
        });
        Box::pin(async move { written.await.map(|(decided, _)| decided) })
    }

    /// Nobody decides it: `decided_at` stays empty, which tells it from a denial.
    pub(super) fn swap_given_up(&self, transaction: &TransactionId, now: Timestamp) -> Answer<'_, bool> {
        let (transaction, memory) = (transaction.clone(), Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let given_up: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = 'denied' WHERE token = ?1 AND state = 'pending' AND expires_at > ?2 RETURNING id",
                )?
                .query_row(params![transaction.as_str(), rows::millis(now)], |row| row.get(0))
                .optional()?;
            let Some(id) = given_up else { return Ok(None) };
            memory.events.happened(connection, EventKind::Denied, id, now)?;
            Ok(Some((by_row(connection, id)?, hasten_end(connection, id, now)?)))
        };
        let written = self.write_then(work, move |memory, given_up| {
            let Some((request, hastened)) = given_up else { return };
            memory.live.decided(request);
            memory.waiting.decided(&request.user, &request.transaction);
            memory.due(hastened, now);
        });
        Box::pin(async move { written.await.map(|given_up| given_up.is_some()) })
    }

    pub(super) fn swap_reported(&self, transaction: &TransactionId, user: &UserId, audit: AuditEntry) -> Answer<'_, bool> {
        let (ended, transaction, user) = (transaction.clone(), transaction.clone(), user.clone());
        let memory = Arc::clone(&self.memory);
        let work = move |connection: &Connection| {
            let reported: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET reported_at = ?1, state = CASE state WHEN 'approved' THEN 'denied' ELSE state END
                     WHERE token = ?2 AND user = ?3 AND state <> 'pending' AND reported_at IS NULL RETURNING id",
                )?
                .query_row(params![rows::millis(audit.at), transaction.as_str(), user.as_str()], |row| row.get(0))
                .optional()?;
            let Some(id) = reported else { return Ok(false) };
            memory.events.happened(connection, EventKind::Reported, id, audit.at)?;
            revoke(connection, "request = ?1", id)?;
            append_audit(connection, &audit)?;
            Ok(true)
        };
        self.write_then(work, move |memory, _| memory.live.ended(&ended))
    }

    pub(super) fn cards_of(&self, user: &UserId, now: Timestamp, since: Timestamp) -> Answer<'_, Vec<Card>> {
        self.read(|connection| {
            // What waits, and of what ended the newest few: no flood of one client hides the request of another.
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {request}, {card} FROM (
                    SELECT * FROM request WHERE user = ?1 AND state = 'pending' AND expires_at > ?2 ORDER BY expires_at LIMIT 200
                 ) r LEFT JOIN client c ON c.id = r.client
                 UNION ALL
                 SELECT {request}, {card} FROM (SELECT * FROM request WHERE user = ?1 ORDER BY id DESC LIMIT 50) r
                 LEFT JOIN client c ON c.id = r.client
                 WHERE NOT (r.state = 'pending' AND r.expires_at > ?2)
                    AND (r.decided_at > ?3 OR (r.state = 'pending' AND r.expires_at > ?3))
                 ORDER BY expires_at, token",
                request = rows::REQUEST,
                card = rows::CARD
            ))?;
            let cards = statement
                .query_map(params![user.as_str(), rows::millis(now), rows::millis(since)], rows::card)?
                .collect::<rusqlite::Result<_>>();
            cards.map_err(rows::named("request", "one of a user"))
        })
    }

    pub(super) fn waiting_of(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<TransactionId>> {
        if let Some(waiting) = self.memory.waiting.of(user, now) {
            return Box::pin(std::future::ready(Ok(waiting)));
        }
        let (user, whose) = (user.clone(), user.clone());
        // On the writer's thread, so that no change falls between reading and remembering.
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, token, expires_at FROM request
                 WHERE user = ?1 AND state = 'pending' AND expires_at > ?2 AND shown_at IS NOT NULL ORDER BY id",
            )?;
            let waiting = statement.query_map(params![user.as_str(), rows::millis(now)], rows::waits)?;
            Ok(waiting.collect::<rusqlite::Result<Vec<_>>>()?)
        };
        let read = self.write_then(work, move |memory, waiting| memory.waiting.remember(whose, waiting.clone()));
        Box::pin(async move { Ok(read.await?.into_iter().map(|waits| waits.transaction).collect()) })
    }

    /// Among the latest: more than that no limit lets through.
    pub(super) fn clients_pending(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<ClientId>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT client FROM (SELECT client, state, expires_at FROM request WHERE user = ?1 ORDER BY id DESC LIMIT 200)
                 WHERE state = 'pending' AND expires_at > ?2",
            )?;
            let clients = statement.query_map(params![user.as_str(), rows::millis(now)], |row| Ok(ClientId(row.get(0)?)))?;
            Ok(clients.collect::<rusqlite::Result<Vec<_>>>()?)
        })
    }

    pub(super) fn find_card(&self, user: &UserId, transaction: &TransactionId) -> Answer<'_, Option<Card>> {
        self.read(|connection| card(connection, user, transaction))
    }

    pub(super) fn show_all_of(&self, user: &UserId, now: Timestamp) -> Answer<'_, ()> {
        let (user, whose) = (user.clone(), user.clone());
        let work = move |connection: &Connection| {
            connection
                .prepare_cached("UPDATE request SET shown_at = ?2 WHERE user = ?1 AND state = 'pending' AND shown_at IS NULL")?
                .execute(params![user.as_str(), rows::millis(now)])?;
            Ok(())
        };
        self.write_then(work, move |memory, ()| memory.waiting.forget(&whose))
    }

    pub(super) fn history_of(&self, user: &UserId, most: u32) -> Answer<'_, Vec<Card>> {
        let user = user.clone();
        self.read_long(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {}, {} FROM request r LEFT JOIN client c ON c.id = r.client WHERE r.user = ?1 ORDER BY r.id DESC LIMIT ?2",
                rows::REQUEST,
                rows::CARD
            ))?;
            let cards = statement.query_map(params![user.as_str(), most], rows::card)?.collect::<rusqlite::Result<_>>();
            cards.map_err(rows::named("request", "one of a user"))
        })
    }

    pub(super) fn list_requests(&self, most: u32) -> Answer<'_, Vec<Listed>> {
        self.read_long(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{} ORDER BY r.id DESC LIMIT ?1", listed_query()))?;
            let listed = statement.query_map([most], listed)?.collect::<rusqlite::Result<_>>();
            listed.map_err(rows::named("request", "one of the latest"))
        })
    }

    pub(super) fn find_request(&self, transaction: &TransactionId) -> Answer<'_, Option<Listed>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{} WHERE r.token = ?1", listed_query()))?
                .query_row([transaction.as_str()], listed)
                .optional()
                .map_err(rows::named("request", transaction.as_str()))
        })
    }

    pub(super) fn mark_spent(&self, spent: Spent) -> Answer<'_, bool> {
        self.write(move |connection| spend(connection, &spent))
    }
}

/// What storing a request brought about.
struct Written {
    start: Start,
    /// The job that announces it.
    notify: Option<i64>,
    /// The job that tells the client how it ended.
    outcome: Option<i64>,
    /// Jobs of superseded requests, which are due now.
    hastened: Vec<i64>,
}

fn insert(
    connection: &Connection,
    request: &Request,
    auth_req_id: Option<Digest>,
    note: Option<&str>,
    to_notify: Option<&[u8]>,
) -> Result<(), StoreError> {
    let particulars = request.particulars.as_deref().map(rows::to_json).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO request (token, auth_req_id, client, user, scope, binding_message, acr_values, state, created_at, expires_at,
                delivery, particulars, to_notify, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            request.transaction.as_str(),
            auth_req_id.map(|digest| digest.0),
            request.client.as_str(),
            request.user.as_str(),
            request.scope,
            request.binding_message,
            request.acr_values.join(" "),
            request.stored.as_str(),
            rows::millis(request.created_at),
            rows::millis(request.expires_at),
            request.delivery.as_str(),
            particulars,
            to_notify,
            note,
        ])?;
    Ok(())
}

/// `pending → superseded` for what the same client asked the same person and still waits: those requests, and the jobs
/// that are due with it.
fn supersede(connection: &Connection, events: &Events, by: &Request) -> Result<(Vec<Request>, Vec<i64>), StoreError> {
    let ids: Vec<i64> = connection
        .prepare_cached(
            "UPDATE request SET state = 'superseded', decided_at = ?3
             WHERE user = ?1 AND client = ?2 AND state = 'pending' AND expires_at > ?3 RETURNING id",
        )?
        .query_map(params![by.user.as_str(), by.client.as_str(), rows::millis(by.created_at)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut superseded, mut hastened) = (Vec::new(), Vec::new());
    for id in ids {
        events.happened(connection, EventKind::Superseded, id, by.created_at)?;
        superseded.push(by_row(connection, id)?);
        hastened.extend(hasten_end(connection, id, by.created_at)?);
    }
    Ok((superseded, hastened))
}

pub(super) fn by_row(connection: &Connection, id: i64) -> Result<Request, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {} FROM request r WHERE r.id = ?1", rows::REQUEST))?
        .query_row([id], rows::request)
        .map_err(rows::named("request", &id.to_string()))
}

/// The request has ended: a notification is taken back as soon as there is nothing left to decide (one that was not sent
/// yet need not be), and the client is told. Answers the jobs that are due now.
pub(super) fn hasten_end(connection: &Connection, request: i64, now: Timestamp) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("UPDATE job SET due_at = ?1 WHERE request = ?2 AND kind <> 'notify' RETURNING id")?
        .query_map(params![rows::millis(now), request], |row| row.get(0))?
        .collect()
}

fn spend(connection: &Connection, spent: &Spent) -> Result<bool, StoreError> {
    let inserted = connection
        .prepare_cached("INSERT OR IGNORE INTO spent (what, expires_at) VALUES (?1, ?2)")?
        .execute(params![spent.what.0, rows::millis(spent.until)])?;
    Ok(inserted > 0)
}

fn card(connection: &Connection, user: &UserId, transaction: &TransactionId) -> Result<Option<Card>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {}, {} FROM request r LEFT JOIN client c ON c.id = r.client WHERE r.token = ?1 AND r.user = ?2",
            rows::REQUEST,
            rows::CARD
        ))?
        .query_row([transaction.as_str(), user.as_str()], rows::card)
        .optional()
        .map_err(rows::named("request", transaction.as_str()))
}

fn listed_query() -> String {
    // That it is no notification is said twice, for the index.
    format!(
        "SELECT {}, u.username, r.notified, r.told_at, j.attempts, j.due_at FROM request r LEFT JOIN user u ON u.id = r.user
         LEFT JOIN job j ON j.request = r.id AND j.kind IN ('ping', 'push') AND j.kind <> 'notify'",
        rows::REQUEST
    )
}

fn listed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        request: rows::request(row)?,
        username: row.get(rows::REQUEST_COLUMNS)?,
        notified: rows::notified(row, rows::REQUEST_COLUMNS + 1)?,
        telling: Telling {
            at: rows::optional_time(row, rows::REQUEST_COLUMNS + 2)?,
            tries: row.get::<_, Option<u32>>(rows::REQUEST_COLUMNS + 3)?.unwrap_or_default(),
            next: rows::optional_time(row, rows::REQUEST_COLUMNS + 4)?,
        },
    })
}
