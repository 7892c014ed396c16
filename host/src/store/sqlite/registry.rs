//! Clients and users.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::grants::revoke;
use super::requests::hasten_end;
use super::{SqliteStore, rows};
use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, UserId};
use crate::protocol::user::{User, normal_hint};
use crate::store::{Answer, AuditEntry, EventKind, StoreError};

impl SqliteStore {
    pub(super) fn find_client(&self, id: &ClientId) -> Answer<'_, Option<Client>> {
        let found = self.memory.known.or_read(&self.memory.known.clients, id, || {
            self.readers.with(|connection| {
                connection
                    .prepare_cached(&format!("SELECT {} FROM client WHERE id = ?1", rows::CLIENT))?
                    .query_row([id.as_str()], rows::client)
                    .optional()
                    .map_err(rows::named("client", id.as_str()))
            })
        });
        Box::pin(std::future::ready(found))
    }

    pub(super) fn all_clients(&self) -> Answer<'_, Vec<Client>> {
        self.read_long(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {} FROM client ORDER BY id", rows::CLIENT))?;
            let clients = statement.query_map([], rows::client)?.collect::<rusqlite::Result<_>>();
            clients.map_err(rows::named("client", "one of all"))
        })
    }

    pub(super) fn insert_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            write_client(connection, "INSERT", &client)?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn replace_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            write_client(connection, "INSERT OR REPLACE", &client)?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn delete_demo_clients(&self, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            if connection.prepare_cached("DELETE FROM client WHERE origin = 'demo'")?.execute([])? > 0 {
                append_audit(connection, &audit)?;
            }
            Ok(())
        })
    }

    pub(super) fn find_user(&self, id: &UserId) -> Answer<'_, Option<User>> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {} FROM user u WHERE u.id = ?1", rows::USER))?
                .query_row([id.as_str()], |row| rows::user(row, 0))
                .optional()
                .map_err(rows::named("user", id.as_str()))
        })
    }

    pub(super) fn find_user_by_hint(&self, hint: &str) -> Answer<'_, Option<User>> {
        // Three probes of three indexes; which of them a hint means cannot be told from its form alone. A name
        // wins over an address, so that nobody is shadowed by another person's address.
        let found = self.memory.known.or_read(&self.memory.known.users_by_hint, hint, || {
            self.readers.with(|connection| {
                for column in ["hint_username", "hint_email", "hint_phone"] {
                    let found = connection
                        .prepare_cached(&format!("SELECT {} FROM user u WHERE u.{column} = ?1", rows::USER))?
                        .query_row([hint], |row| rows::user(row, 0))
                        .optional()?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            })
        });
        Box::pin(std::future::ready(found))
    }

    pub(super) fn all_users(&self) -> Answer<'_, Vec<User>> {
        self.read_long(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {} FROM user u ORDER BY u.hint_username", rows::USER))?;
            let users = statement.query_map([], |row| rows::user(row, 0))?.collect::<rusqlite::Result<_>>()?;
            Ok(users)
        })
    }

    pub(super) fn insert_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            write_user(connection, &user, "")?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn replace_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            write_user(
                connection,
                &user,
                "ON CONFLICT (id) DO UPDATE SET username = ?2, name = ?3, email = ?4, phone = ?5, locale = ?6, hint_username = ?7,
                    hint_email = ?8, hint_phone = ?9, declared = ?10",
            )?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn find_user_code(&self, id: &UserId) -> Answer<'_, Option<String>> {
        self.read(|connection| {
            let code: Option<Option<String>> = connection
                .prepare_cached("SELECT user_code FROM user WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            Ok(code.flatten())
        })
    }

    pub(super) fn replace_user_code(&self, id: &UserId, hash: Option<String>, audit: AuditEntry) -> Answer<'_, bool> {
        let id = id.clone();
        self.write(move |connection| {
            let changed =
                connection.prepare_cached("UPDATE user SET user_code = ?2 WHERE id = ?1")?.execute(params![id.as_str(), hash])? > 0;
            if changed {
                append_audit(connection, &audit)?;
            }
            Ok(changed)
        })
    }

    pub(super) fn delete_user(&self, id: &UserId, audit: AuditEntry) -> Answer<'_, bool> {
        let (id, whose, at) = (id.clone(), id.clone(), audit.at);
        let memory = Arc::clone(&self.memory);
        let work = move |connection: &Connection| {
            let mut hastened = Vec::new();
            let removed = connection.prepare_cached("DELETE FROM user WHERE id = ?1")?.execute([id.as_str()])? > 0;
            if removed {
                // What they, or whoever has their phone, approved a moment ago is not to be had any more.
                revoke(connection, "request IN (SELECT id FROM request WHERE user = ?1)", id.as_str())?;
                let denied: Vec<i64> = connection
                    .prepare_cached(
                        "UPDATE request SET state = 'denied', decided_at = ?2 WHERE user = ?1 AND state IN ('pending', 'approved') RETURNING id",
                    )?
                    .query_map(params![id.as_str(), rows::millis(audit.at)], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for request in denied {
                    memory.events.happened(connection, EventKind::Denied, request, audit.at)?;
                    hastened.extend(hasten_end(connection, request, audit.at)?);
                }
                append_audit(connection, &audit)?;
            }
            Ok((removed, hastened))
        };
        let written = self.write_then(work, move |memory, (_, hastened)| {
            memory.due(hastened, at);
            memory.known.forget();
            memory.live.forget_user(&whose);
            memory.waiting.forget(&whose);
        });
        Box::pin(async move { written.await.map(|(removed, _)| removed) })
    }
}

/// Writes a user, with what is to happen if there is one with this identifier.
fn write_user(connection: &Connection, user: &User, on_conflict: &str) -> Result<(), StoreError> {
    let hint = |text: &Option<String>| text.as_deref().map(normal_hint);
    let written = connection
        .prepare_cached(&format!(
            "INSERT INTO user (id, username, name, email, phone, locale, hint_username, hint_email, hint_phone, declared)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) {on_conflict}"
        ))?
        .execute(params![
            user.id.as_str(),
            user.username,
            user.name,
            user.email,
            user.phone,
            user.locale,
            normal_hint(&user.username),
            hint(&user.email),
            hint(&user.phone),
            user.declared,
        ]);
    let what = || format!("a user with the username, e-mail address or phone number of {}", user.username);
    written.map(drop).map_err(|error| exists_or(error, what))
}

pub(super) fn write_client(connection: &Connection, verb: &str, client: &Client) -> Result<(), StoreError> {
    let metadata = rows::to_json(&*client.metadata)?;
    let set_by_operator = (!client.set_by_operator.is_empty()).then(|| rows::to_json(&client.set_by_operator)).transpose()?;
    let written = connection
        .prepare_cached(&format!("{verb} INTO client ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", rows::CLIENT))?
        .execute(params![
            client.id.as_str(),
            client.name(),
            client.kind.as_str(),
            client.origin.as_str(),
            client.secret.as_ref().map(|secret| secret.digest.0),
            client.secret.as_ref().and_then(|secret| secret.sealed.as_deref()),
            metadata,
            client.registration_token.map(|digest| digest.0),
            set_by_operator,
        ]);
    written.map(drop).map_err(|error| exists_or(error, || format!("a client {}", client.id)))
}

/// What a row that must be unique says of itself when it is not.
fn exists_or(error: rusqlite::Error, what: impl FnOnce() -> String) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(error, _) if error.code == rusqlite::ErrorCode::ConstraintViolation => StoreError::Exists(what()),
        error => error.into(),
    }
}

/// Writes a line into the audit log, in the transaction of what it records.
pub(super) fn append_audit(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    connection.prepare_cached("INSERT INTO audit (at, who, what, about) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        rows::millis(entry.at),
        entry.who,
        entry.what,
        entry.about
    ])?;
    Ok(())
}
