//! Clients that come and go by themselves (RFC 7591, 7592), and what goes with a client.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::events::Events;
use super::grants::revoke;
use super::registry::{append_audit, write_client};
use super::requests::hasten_end;
use super::{SqliteStore, rows};
use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, Digest};
use crate::protocol::transaction::Request;
use crate::store::{Admission, Answer, AuditEntry, EventKind, Invitation, StoreError, Updated};

impl SqliteStore {
    pub(super) fn insert_invitation(&self, invitation: Invitation, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT INTO initial_access_token (token, expires_at, uses_left) VALUES (?1, ?2, ?3)")?
                .execute(params![invitation.token.0, rows::millis(invitation.expires_at), invitation.uses])?;
            connection
                .prepare_cached("DELETE FROM initial_access_token WHERE expires_at <= ?1 OR uses_left = 0")?
                .execute([rows::millis(audit.at)])?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn find_invitation(&self, token: &Digest, now: Timestamp) -> Answer<'_, bool> {
        self.read(|connection| {
            let found = connection
                .prepare_cached("SELECT 1 FROM initial_access_token WHERE token = ?1 AND expires_at > ?2 AND uses_left > 0")?
                .query_row(params![token.0, rows::millis(now)], |_| Ok(()))
                .optional()?;
            Ok(found.is_some())
        })
    }

    pub(super) fn insert_registered(&self, client: Client, admission: Admission, audit: AuditEntry) -> Answer<'_, bool> {
        self.write_registry(move |connection| {
            let admitted = match admission {
                Admission::Open(0) => true,
                Admission::Open(most) => {
                    let count = "SELECT count(*) < ?1 FROM client WHERE origin = 'registered'";
                    connection.prepare_cached(count)?.query_row([most], |row| row.get(0))?
                }
                Admission::Invited(token) => {
                    let uses = "UPDATE initial_access_token SET uses_left = uses_left - 1
                         WHERE token = ?1 AND expires_at > ?2 AND uses_left > 0";
                    connection.prepare_cached(uses)?.execute(params![token.0, rows::millis(audit.at)])? > 0
                }
            };
            if !admitted {
                return Ok(false);
            }
            write_client(connection, "INSERT", &client)?;
            append_audit(connection, &audit)?;
            Ok(true)
        })
    }

    /// Of a client that was removed meanwhile nothing comes back, and what became of it meanwhile is not written over.
    pub(super) fn swap_registered(&self, was: Client, client: Client, audit: AuditEntry) -> Answer<'_, Updated> {
        self.write_registry(move |connection| {
            let is = connection
                .prepare_cached(&format!(
                    "SELECT {} FROM client WHERE id = ?1 AND origin = 'registered' AND registration_token = ?2",
                    rows::CLIENT
                ))?
                .query_row(params![client.id.as_str(), client.registration_token.map(|digest| digest.0)], rows::client)
                .optional()
                .map_err(rows::named("client", client.id.as_str()))?;
            match is {
                None => return Ok(Updated::Gone),
                Some(is) if is != was => return Ok(Updated::Meanwhile(Box::new(is))),
                Some(_) => {}
            }
            write_client(connection, "INSERT OR REPLACE", &client)?;
            append_audit(connection, &audit)?;
            Ok(Updated::Done)
        })
    }

    pub(super) fn delete_client(&self, id: &ClientId, audit: AuditEntry) -> Answer<'_, Option<Vec<Request>>> {
        let (id, whose) = (id.clone(), id.clone());
        let (now, memory) = (audit.at, Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let removed = connection.prepare_cached("DELETE FROM client WHERE id = ?1")?.execute([id.as_str()])? > 0;
            if !removed {
                return Ok((None, Vec::new()));
            }
            append_audit(connection, &audit)?;
            // RFC 7592 2.3: what it was given ends with it, and what it still could have been given.
            revoke(connection, "request IN (SELECT id FROM request WHERE client = ?1)", id.as_str())?;
            let (ended, hastened) = end_requests(connection, &memory.events, &id, now)?;
            Ok((Some(ended), hastened))
        };
        let written = self.write_then(work, move |memory, (ended, hastened)| {
            memory.known.forget();
            memory.live.forget_client(&whose);
            for request in ended.iter().flatten() {
                memory.waiting.decided(&request.user, &request.transaction);
            }
            for job in hastened {
                memory.schedule().reschedule(*job, rows::millis(now));
            }
        });
        Box::pin(async move { written.await.map(|(ended, _)| ended) })
    }
}

/// `pending | approved → denied` for all requests of a client: those requests, and the jobs that are due with it.
fn end_requests(
    connection: &Connection,
    events: &Events,
    client: &ClientId,
    now: Timestamp,
) -> Result<(Vec<Request>, Vec<i64>), StoreError> {
    let ids: Vec<i64> = connection
        .prepare_cached(
            "UPDATE request SET state = 'denied', decided_at = ?2, to_notify = NULL
             WHERE client = ?1 AND state IN ('pending', 'approved') RETURNING id",
        )?
        .query_map(params![client.as_str(), rows::millis(now)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut ended, mut hastened) = (Vec::new(), Vec::new());
    for id in ids {
        events.happened(connection, EventKind::Denied, id, now)?;
        ended.push(
            connection
                .prepare_cached(&format!("SELECT {} FROM request r WHERE r.id = ?1", rows::REQUEST))?
                .query_row([id], rows::request)
                .map_err(rows::named("request", &id.to_string()))?,
        );
        hastened.extend(hasten_end(connection, id, now)?);
    }
    Ok((ended, hastened))
}
