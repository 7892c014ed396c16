//! Devices, and the one-time tokens that enrol them.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::registry::append_audit;
use super::{SqliteStore, rows};
use crate::protocol::identifier::{DeviceId, Digest, UserId};
use crate::protocol::user::{CHANNEL_INBOX, Device, User};
use crate::store::{Answer, AuditEntry, NewDevice};

impl SqliteStore {
    pub(super) fn devices_of(&self, user: &UserId) -> Answer<'_, Vec<Device>> {
        let devices = self.memory.known.or_read(&self.memory.known.devices, user, || {
            self.readers.with(|connection| {
                let mut statement = connection
                    .prepare_cached(&format!("SELECT {} FROM device d WHERE d.user = ?1 ORDER BY d.added_at, d.id", rows::DEVICE))?;
                let devices = statement.query_map([user.as_str()], rows::device)?.collect::<rusqlite::Result<Vec<_>>>();
                devices.map(Some).map_err(rows::named("device", "one of a user"))
            })
        });
        Box::pin(std::future::ready(devices.map(Option::unwrap_or_default)))
    }

    pub(super) fn insert_device(&self, device: Device, audit: AuditEntry) -> Answer<'_, ()> {
        self.write_registry(move |connection| {
            connection
                .prepare_cached("INSERT INTO device (id, user, name, channel, address, added_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                device.id.as_str(),
                device.user.as_str(),
                device.name,
                device.channel,
                device.address,
                rows::millis(device.added_at)
            ])?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn delete_device(&self, user: &UserId, device: &DeviceId) -> Answer<'_, bool> {
        let (user, device) = (user.clone(), device.clone());
        self.write_registry(move |connection| {
            let removed =
                connection.prepare_cached("DELETE FROM device WHERE id = ?1 AND user = ?2")?.execute([device.as_str(), user.as_str()])?;
            Ok(removed > 0)
        })
    }

    pub(super) fn find_device_by_session(&self, session: &Digest) -> Answer<'_, Option<(Device, User)>> {
        let found = self.memory.known.or_read(&self.memory.known.sessions, session, || {
            self.readers.with(|connection| {
                let (device, user) = (rows::DEVICE, rows::USER);
                connection
                    .prepare_cached(&format!("SELECT {device}, {user} FROM device d JOIN user u ON u.id = d.user WHERE d.session = ?1"))?
                    .query_row([session.0], |row| Ok((rows::device(row)?, rows::user(row, rows::DEVICE_COLUMNS)?)))
                    .optional()
                    .map_err(rows::named("device", "of a session"))
            })
        });
        Box::pin(std::future::ready(found))
    }

    pub(super) fn insert_enrolment(&self, token: Digest, user: &UserId, expires_at: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        let user = user.clone();
        self.write(move |connection| {
            connection.prepare_cached("INSERT INTO enrolment (token, user, expires_at) VALUES (?1, ?2, ?3)")?.execute(params![
                token.0,
                user.as_str(),
                rows::millis(expires_at)
            ])?;
            append_audit(connection, &audit)
        })
    }

    pub(super) fn find_enrolment(&self, token: &Digest, now: Timestamp) -> Answer<'_, Option<User>> {
        self.read(|connection| {
            let found = connection
                .prepare_cached(&format!(
                    "SELECT {} FROM enrolment e JOIN user u ON u.id = e.user WHERE e.token = ?1 AND e.expires_at > ?2",
                    rows::USER
                ))?
                .query_row(params![token.0, rows::millis(now)], |row| rows::user(row, 0))
                .optional()?;
            Ok(found)
        })
    }

    pub(super) fn use_enrolment(&self, token: &Digest, device: NewDevice, now: Timestamp) -> Answer<'_, Option<User>> {
        let token = *token;
        self.write_registry(move |connection| {
            let user: Option<String> = connection
                .prepare_cached("DELETE FROM enrolment WHERE token = ?1 AND expires_at > ?2 RETURNING user")?
                .query_row(params![token.0, rows::millis(now)], |row| row.get(0))
                .optional()?;
            let Some(user) = user else { return Ok(None) };
            connection
                .prepare_cached("INSERT INTO device (id, user, name, channel, added_at, session) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![device.id.as_str(), user, device.name, CHANNEL_INBOX, rows::millis(now), device.session.0])?;
            let user = connection
                .prepare_cached(&format!("SELECT {} FROM user u WHERE u.id = ?1", rows::USER))?
                .query_row([user], |row| rows::user(row, 0))?;
            Ok(Some(user))
        })
    }
}
