//! Authentication requests: started, decided, redeemed, each by one compare-and-swap.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::identifier::{DeviceId, Digest, TransactionId, UnverifiedAuthReqId, UserId};
use crate::protocol::tokens::NewGrant;
use crate::protocol::transaction::{REDEEM_GRACE_SECONDS, Request};
use crate::store::{Answer, AuditEntry, Card, Decided, DecisionBy, Job, JobKind, Listed, NewRequest, StoreError};

impl SqliteStore {
    pub(super) fn insert_request(&self, new: NewRequest) -> Answer<'_, ()> {
        let NewRequest { request, auth_req_id, notify } = new;
        let (stored, notifies) = (request.clone(), notify.is_some());
        let work = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO request (token, auth_req_id, client, user, scope, binding_message, acr_values, state, created_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
                ])?;
            if notifies {
                connection
                    .prepare_cached("INSERT INTO job (kind, request, due_at) VALUES ('notify', last_insert_rowid(), ?1)")?
                    .execute([rows::millis(request.created_at)])?;
            }
            Ok(connection.last_insert_rowid())
        };
        let written = self.write_then(work, move |memory, id| {
            if let Some(digest) = auth_req_id {
                memory.live.started(digest, stored.clone());
            }
            if let Some(parties) = notify {
                let due_at = rows::millis(stored.created_at);
                let job = Job { id: *id, kind: JobKind::Notify, attempts: 0, request: stored, notified: Vec::new(), parties };
                memory.schedule().add_whole(job, due_at);
            }
        });
        Box::pin(async move { written.await.map(drop) })
    }

    pub(super) fn find_request_by_auth_req_id(&self, auth_req_id: &UnverifiedAuthReqId) -> Answer<'_, Option<Request>> {
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
        let (user, transaction) = (by.user.clone(), by.transaction.clone());
        let work = move |connection: &Connection| {
            let swapped: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = ?1, decided_at = ?2, decided_on = ?3, decided_by = ?6
                     WHERE token = ?4 AND user = ?5 AND state = 'pending' AND expires_at > ?2 RETURNING id",
                )?
                .query_row(
                    params![
                        by.decision.leads_to().as_str(),
                        rows::millis(now),
                        by.device_name,
                        by.transaction.as_str(),
                        by.user.as_str(),
                        by.device.as_ref().map(DeviceId::as_str)
                    ],
                    |row| row.get(0),
                )
                .optional()?;
            let (id, card) = match (swapped, card(connection, &by.user, &by.transaction)?.map(Box::new)) {
                (Some(id), Some(card)) => (id, card),
                (_, card) => return Ok((Decided::Not(card), None)),
            };
            // A notification is taken back as soon as there is nothing left to decide; one that was not sent yet
            // need not be.
            let withdraw: Option<i64> = connection
                .prepare_cached("UPDATE job SET due_at = ?1 WHERE request = ?2 AND kind = 'withdraw' RETURNING id")?
                .query_row(params![rows::millis(now), id], |row| row.get(0))
                .optional()?;
            if let Some(entry) = &by.audit {
                append_audit(connection, entry)?;
            }
            Ok((Decided::Now(card), withdraw))
        };
        let written = self.write_then(work, move |memory, (decided, withdraw)| {
            if let Decided::Now(card) = decided {
                memory.live.decided(&card.request);
                memory.waiting.decided(&user, &transaction);
            }
            if let Some(withdraw) = withdraw {
                memory.schedule().reschedule(*withdraw, rows::millis(now));
            }
        });
        Box::pin(async move { written.await.map(|(decided, _)| decided) })
    }

    pub(super) fn swap_reported(&self, transaction: &TransactionId, user: &UserId, audit: AuditEntry) -> Answer<'_, bool> {
        let (ended, transaction, user) = (transaction.clone(), transaction.clone(), user.clone());
        let work = move |connection: &Connection| {
            let reported: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET reported_at = ?1, state = CASE state WHEN 'approved' THEN 'denied' ELSE state END
                     WHERE token = ?2 AND user = ?3 AND state <> 'pending' AND reported_at IS NULL RETURNING id",
                )?
                .query_row(params![rows::millis(audit.at), transaction.as_str(), user.as_str()], |row| row.get(0))
                .optional()?;
            let Some(id) = reported else { return Ok(false) };
            connection.prepare_cached("DELETE FROM access_grant WHERE request = ?1")?.execute([id])?;
            append_audit(connection, &audit)?;
            Ok(true)
        };
        self.write_then(work, move |memory, _| memory.live.ended(&ended))
    }

    pub(super) fn swap_redeemed(&self, transaction: &TransactionId, grant: NewGrant, now: Timestamp) -> Answer<'_, bool> {
        let (ended, transaction) = (transaction.clone(), transaction.clone());
        let work = move |connection: &Connection| {
            let swapped: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = 'redeemed' WHERE token = ?1 AND state = 'approved' AND expires_at > ?2 RETURNING id",
                )?
                .query_row(params![transaction.as_str(), rows::millis(now) - REDEEM_GRACE_SECONDS * 1000], |row| row.get(0))
                .optional()?;
            let Some(id) = swapped else { return Ok(false) };
            connection
                .prepare_cached("INSERT INTO access_grant (request, access_token, expires_at) VALUES (?1, ?2, ?3)")?
                .execute(params![id, grant.access_token.0, rows::millis(grant.expires_at)])?;
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

    pub(super) fn mark_link(&self, link: &Digest, expires_at: Timestamp, now: Timestamp) -> Answer<'_, bool> {
        let link = *link;
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM used_link WHERE expires_at < ?1")?.execute([rows::millis(now)])?;
            let inserted = connection
                .prepare_cached("INSERT OR IGNORE INTO used_link (link, expires_at) VALUES (?1, ?2)")?
                .execute(params![link.0, rows::millis(expires_at)])?;
            Ok(inserted > 0)
        })
    }
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
    format!("SELECT {}, u.username, r.notified FROM request r LEFT JOIN user u ON u.id = r.user", rows::REQUEST)
}

fn listed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        request: rows::request(row)?,
        username: row.get(rows::REQUEST_COLUMNS)?,
        notified: rows::notified(row, rows::REQUEST_COLUMNS + 1)?,
    })
}
