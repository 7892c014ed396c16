//! What redeemed requests gave: access tokens, refresh tokens, and what is still to be pushed.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use super::requests::by_row;
use super::{SqliteStore, rows};
use crate::protocol::identifier::{Digest, TransactionId};
use crate::protocol::tokens::{NewAccessToken, NewGrant};
use crate::protocol::transaction::REDEEM_GRACE_SECONDS;
use crate::store::{Answer, EventKind, Grant, Heard, Job, JobKind, PushBody, Refresh, RefreshGrant, Refreshed};

/// Generations of refresh tokens that are remembered of one family, to know a stolen one again.
const GENERATIONS: i64 = 20;

impl SqliteStore {
    pub(super) fn swap_redeemed(
        &self,
        transaction: &TransactionId,
        grant: NewGrant,
        push: Option<PushBody>,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        let (ended, transaction, memory) = (transaction.clone(), transaction.clone(), Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let swapped: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = 'redeemed', redeemed_at = ?3 WHERE token = ?1 AND state = 'approved' AND expires_at > ?2 RETURNING id",
                )?
                .query_row(params![transaction.as_str(), rows::millis(now) - REDEEM_GRACE_SECONDS * 1000, rows::millis(now)], |row| {
                    row.get(0)
                })
                .optional()?;
            let Some(id) = swapped else { return Ok(false) };
            memory.events.happened(connection, EventKind::TokensIssued, id, now)?;
            insert_access_token(connection, id, &grant.access_token, now)?;
            if let Some(refresh) = &grant.refresh_token {
                connection
                    .prepare_cached("INSERT INTO refresh_family (request, used_generation, expires_at) VALUES (?1, 0, ?2)")?
                    .execute(params![id, rows::millis(refresh.expires_at)])?;
                insert_refresh_token(connection, id, &refresh.digest, 0)?;
            }
            if let Some(push) = &push {
                connection.prepare_cached("INSERT INTO push_body (request, body, deadline) VALUES (?1, ?2, ?3)")?.execute(params![
                    id,
                    push.sealed,
                    rows::millis(push.deadline)
                ])?;
            }
            Ok(true)
        };
        self.write_then(work, move |memory, _| memory.live.ended(&ended))
    }

    /// An approval that gives no tokens: nobody of the person's denied it.
    pub(super) fn swap_withheld(&self, transaction: &TransactionId, decided_on: &str, now: Timestamp) -> Answer<'_, bool> {
        let (transaction, decided_on, memory) = (transaction.clone(), decided_on.to_owned(), Arc::clone(&self.memory));
        let work = move |connection: &Connection| {
            let withheld: Option<i64> = connection
                .prepare_cached(
                    "UPDATE request SET state = 'denied', decided_at = ?2, decided_on = ?3, decided_by = NULL, evidence = NULL
                     WHERE token = ?1 AND state = 'approved' RETURNING id",
                )?
                .query_row(params![transaction.as_str(), rows::millis(now), decided_on], |row| row.get(0))
                .optional()?;
            let Some(id) = withheld else { return Ok(None) };
            memory.events.happened(connection, EventKind::Denied, id, now)?;
            by_row(connection, id).map(Some)
        };
        let written = self.write_then(work, move |memory, withheld| {
            if let Some(request) = withheld {
                memory.live.decided(request);
            }
        });
        Box::pin(async move { written.await.map(|withheld| withheld.is_some()) })
    }

    pub(super) fn find_push_body(&self, transaction: &TransactionId) -> Answer<'_, Option<PushBody>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT p.body, p.deadline FROM push_body p JOIN request r ON r.id = p.request WHERE r.token = ?1")?
                .query_row([transaction.as_str()], |row| Ok(PushBody { sealed: row.get(0)?, deadline: rows::time(row, 1)? }))
                .optional()?)
        })
    }

    pub(super) fn complete_telling(&self, job: &Job, heard: Heard) -> Answer<'_, ()> {
        let (id, kind) = (job.id, job.kind);
        let told_at = match heard {
            Heard::At(at) => Some(rows::millis(at)),
            Heard::Unneeded | Heard::Never => None,
        };
        let work = move |connection: &Connection| {
            let request: Option<i64> = connection
                .prepare_cached("DELETE FROM job WHERE id = ?1 RETURNING request")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            let Some(request) = request else { return Ok(()) };
            connection
                .prepare_cached("UPDATE request SET to_notify = NULL, told_at = ?2 WHERE id = ?1")?
                .execute(params![request, told_at])?;
            if kind != JobKind::Push {
                return Ok(());
            }
            connection.prepare_cached("DELETE FROM push_body WHERE request = ?1")?.execute([request])?;
            if heard == Heard::Never {
                revoke(connection, "request = ?1", request)?;
            }
            Ok(())
        };
        self.write_then(work, move |memory, ()| memory.schedule().worked_on(id, kind, crate::store::Next::End))
    }

    pub(super) fn find_grant(&self, transaction: &TransactionId, token: &Digest, now: Timestamp) -> Answer<'_, Option<Grant>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {}, a.issued_at, a.expires_at, a.confirmation, a.audience, a.scope, a.claims FROM access_token a JOIN request r ON r.id = a.request
                     WHERE r.token = ?1 AND a.token = ?2 AND a.expires_at > ?3",
                    rows::REQUEST
                ))?
                .query_row(params![transaction.as_str(), token.0, rows::millis(now)], |row| {
                    let audience: Option<String> = row.get(rows::REQUEST_COLUMNS + 3)?;
                    let mut request = rows::request(row)?;
                    if let Some(scope) = row.get(rows::REQUEST_COLUMNS + 4)? {
                        request.scope = scope;
                    }
                    Ok(Grant {
                        request,
                        issued_at: rows::time(row, rows::REQUEST_COLUMNS)?,
                        expires_at: rows::time(row, rows::REQUEST_COLUMNS + 1)?,
                        confirmation: rows::json(row, rows::REQUEST_COLUMNS + 2)?,
                        audience: audience.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
                        claims: rows::json(row, rows::REQUEST_COLUMNS + 5)?.unwrap_or_default(),
                    })
                })
                .optional()
                .map_err(rows::named("access_token", transaction.as_str()))
        })
    }

    pub(super) fn find_refresh_grant(
        &self,
        transaction: &TransactionId,
        token: &Digest,
        now: Timestamp,
    ) -> Answer<'_, Option<RefreshGrant>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {}, f.expires_at, t.generation < f.used_generation FROM refresh_token t JOIN refresh_family f ON f.request = t.request
                     JOIN request r ON r.id = t.request WHERE r.token = ?1 AND t.token = ?2 AND f.expires_at > ?3",
                    rows::REQUEST
                ))?
                .query_row(params![transaction.as_str(), token.0, rows::millis(now)], |row| {
                    Ok(RefreshGrant {
                        request: rows::request(row)?,
                        expires_at: rows::time(row, rows::REQUEST_COLUMNS)?,
                        passed: row.get(rows::REQUEST_COLUMNS + 1)?,
                    })
                })
                .optional()
                .map_err(rows::named("refresh_token", transaction.as_str()))
        })
    }

    pub(super) fn swap_refreshed(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, Refreshed> {
        let memory = Arc::clone(&self.memory);
        self.write(move |connection| {
            let found: Option<(i64, i64, i64)> = connection
                .prepare_cached(
                    "SELECT t.request, t.generation, f.used_generation FROM refresh_token t
                     JOIN refresh_family f ON f.request = t.request JOIN request r ON r.id = t.request
                     WHERE r.token = ?1 AND t.token = ?2 AND f.expires_at > ?3",
                )?
                .query_row(params![refresh.transaction.as_str(), refresh.presented.0, rows::millis(now)], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let Some((request, generation, used)) = found else { return Ok(Refreshed::Unknown) };
            if generation < used {
                revoke(connection, "request = ?1", request)?;
                return Ok(Refreshed::Stolen);
            }
            if generation > used {
                connection
                    .prepare_cached("UPDATE refresh_family SET used_generation = ?2 WHERE request = ?1")?
                    .execute([request, generation])?;
                // Of those that were born side by side the first that is used is the client's (RFC 9700 4.14.2). The
                // others join the generation that has passed: whoever comes with one of them holds a copy.
                connection
                    .prepare_cached("UPDATE refresh_token SET generation = ?2 - 1 WHERE request = ?1 AND generation = ?2 AND token <> ?3")?
                    .execute(params![request, generation, refresh.presented.0])?;
            }
            if let Some(next) = &refresh.next {
                insert_refresh_token(connection, request, next, generation + 1)?;
                connection
                    .prepare_cached("DELETE FROM refresh_token WHERE request = ?1 AND generation < ?2")?
                    .execute([request, generation - GENERATIONS])?;
            }
            connection
                .prepare_cached("DELETE FROM access_token WHERE request = ?1 AND expires_at < ?2")?
                .execute([request, rows::millis(now)])?;
            insert_access_token(connection, request, &refresh.access_token, now)?;
            if refresh.last {
                for table in ["refresh_token", "refresh_family"] {
                    connection.prepare_cached(&format!("DELETE FROM {table} WHERE request = ?1"))?.execute([request])?;
                }
            }
            memory.events.happened(connection, EventKind::TokensIssued, request, now)?;
            Ok(Refreshed::Done)
        })
    }

    pub(super) fn delete_access_token(&self, transaction: &TransactionId, token: &Digest) -> Answer<'_, bool> {
        let (transaction, token) = (transaction.clone(), *token);
        self.write(move |connection| {
            let deleted = connection
                .prepare_cached("DELETE FROM access_token WHERE request = (SELECT id FROM request WHERE token = ?1) AND token = ?2")?
                .execute(params![transaction.as_str(), token.0])?;
            Ok(deleted > 0)
        })
    }

    pub(super) fn delete_reused(&self, transaction: &TransactionId, redeemed_before: Timestamp) -> Answer<'_, bool> {
        let transaction = transaction.clone();
        self.write(move |connection| {
            let reused: Option<i64> = connection
                .prepare_cached(
                    "SELECT id FROM request r WHERE r.token = ?1 AND r.redeemed_at < ?2
                        AND (EXISTS (SELECT 1 FROM access_token a WHERE a.request = r.id)
                            OR EXISTS (SELECT 1 FROM refresh_family f WHERE f.request = r.id))",
                )?
                .query_row(params![transaction.as_str(), rows::millis(redeemed_before)], |row| row.get(0))
                .optional()?;
            let Some(request) = reused else { return Ok(false) };
            revoke(connection, "request = ?1", request)?;
            Ok(true)
        })
    }

    pub(super) fn delete_grant(&self, transaction: &TransactionId) -> Answer<'_, ()> {
        let transaction = transaction.clone();
        self.write(move |connection| revoke(connection, "request = (SELECT id FROM request WHERE token = ?1)", transaction.as_str()))
    }
}

/// Takes back everything that the requests of this condition gave.
pub(super) fn revoke(connection: &Connection, condition: &str, value: impl ToSql + Copy) -> Result<(), crate::store::StoreError> {
    for table in ["access_token", "refresh_token", "refresh_family", "push_body"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE {condition}"))?.execute([value])?;
    }
    Ok(())
}

fn insert_access_token(
    connection: &Connection,
    request: i64,
    token: &NewAccessToken,
    now: Timestamp,
) -> Result<(), crate::store::StoreError> {
    let confirmation = token.confirmation.as_ref().map(rows::to_json).transpose()?;
    let audience = Some(token.audience.join(" ")).filter(|audience| !audience.is_empty());
    let claims = token.claims.as_ref().map(rows::to_json).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO access_token (request, token, issued_at, expires_at, confirmation, audience, scope, claims)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            request,
            token.digest.0,
            rows::millis(now),
            rows::millis(token.expires_at),
            confirmation,
            audience,
            token.scope,
            claims
        ])?;
    Ok(())
}

fn insert_refresh_token(connection: &Connection, request: i64, token: &Digest, generation: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO refresh_token (request, token, generation) VALUES (?1, ?2, ?3)")?
        .execute(params![request, token.0, generation])
        .map(drop)
}
