//! From rows to types. A row that cannot be is an error that names it.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::waiting::Waits;
use crate::protocol::client::{Client, ClientKind, ClientSecret, DeliveryMode, Origin};
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UserId};
use crate::protocol::transaction::{Particulars, Request, Stored};
use crate::protocol::user::{Device, User};
use crate::store::{Card, Notified, StoreError};

/// The columns that [`request`] reads, in its order.
pub(super) const REQUEST: &str = "r.token, r.client, r.user, r.scope, r.binding_message, r.acr_values, r.state, r.created_at, r.expires_at, r.decided_at, \
     r.delivery, r.particulars, r.evidence";
/// How many those are: where the columns of a join begin.
pub(super) const REQUEST_COLUMNS: usize = 13;

/// A time as it is stored.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    timestamp(row.get(column)?, column)
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = row.get(column)?;
    milliseconds.map(|milliseconds| timestamp(milliseconds, column)).transpose()
}

fn timestamp(milliseconds: i64, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| impossible(column, Type::Integer, error.to_string()))
}

/// A column holds what it cannot hold.
pub(super) fn impossible(column: usize, kind: Type, what: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into().into())
}

/// Names the table and the row in an error of reading it.
pub(super) fn named(table: &'static str, row: &str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match error {
        rusqlite::Error::FromSqlConversionFailure(column, _, what) => {
            StoreError::Impossible { table, row: row.to_owned(), what: format!("column {column}: {what}") }
        }
        other => other.into(),
    }
}

pub(super) fn request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let state: String = row.get(6)?;
    let acr_values: String = row.get(5)?;
    let decided_at: Option<i64> = row.get(9)?;
    let delivery: String = row.get(10)?;
    let particulars: Option<Particulars> = json(row, 11)?;
    Ok(Request {
        transaction: TransactionId(row.get(0)?),
        client: ClientId(row.get(1)?),
        user: UserId(row.get(2)?),
        scope: row.get(3)?,
        binding_message: row.get(4)?,
        acr_values: acr_values.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect(),
        stored: Stored::from_word(&state).ok_or_else(|| impossible(6, Type::Text, format!("`{state}` is not a state")))?,
        created_at: time(row, 7)?,
        expires_at: time(row, 8)?,
        decided_at: decided_at.map(|at| timestamp(at, 9)).transpose()?,
        delivery: DeliveryMode::from_name(&delivery)
            .ok_or_else(|| impossible(10, Type::Text, format!("`{delivery}` is not a delivery mode")))?,
        particulars: particulars.map(Arc::new),
        evidence: json(row, 12)?,
    })
}

/// A column that holds JSON, or nothing.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| impossible(column, Type::Text, error.to_string()))).transpose()
}

/// What such a column is to hold.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Backend(error.to_string()))
}

/// The columns after [`REQUEST`] that [`card`] reads.
pub(super) const CARD: &str = "c.name, r.note, r.shown_at IS NOT NULL, r.decided_on, r.decided_by, r.reported_at IS NOT NULL, \
     c.origin IS NOT NULL AND c.origin <> 'registered', json_extract(c.metadata, '$.acr_minimum')";

pub(super) fn card(row: &Row<'_>) -> rusqlite::Result<Card> {
    Ok(Card {
        request: request(row)?,
        client_name: row.get(REQUEST_COLUMNS)?,
        note: row.get(REQUEST_COLUMNS + 1)?,
        shown: row.get(REQUEST_COLUMNS + 2)?,
        decided_on: row.get(REQUEST_COLUMNS + 3)?,
        decided_by: row.get::<_, Option<String>>(REQUEST_COLUMNS + 4)?.map(DeviceId),
        reported: row.get(REQUEST_COLUMNS + 5)?,
        client_vouched: row.get(REQUEST_COLUMNS + 6)?,
        acr_minimum: row.get(REQUEST_COLUMNS + 7)?,
    })
}

/// The columns `id`, `token` and `expires_at`.
pub(super) fn waits(row: &Row<'_>) -> rusqlite::Result<Waits> {
    Ok(Waits { id: row.get(0)?, transaction: TransactionId(row.get(1)?), expires_at: row.get(2)? })
}

/// The column `notified`.
pub(super) fn notified(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Notified>> {
    Ok(json(row, column)?.unwrap_or_default())
}

pub(super) const CLIENT: &str = "id, name, kind, origin, secret, sealed_secret, metadata, registration_token, set_by_operator";

pub(super) fn client(row: &Row<'_>) -> rusqlite::Result<Client> {
    let (kind, origin): (String, String) = (row.get(2)?, row.get(3)?);
    let digest: Option<[u8; 32]> = row.get(4)?;
    let sealed: Option<Vec<u8>> = row.get(5)?;
    Ok(Client {
        id: ClientId(row.get(0)?),
        kind: match kind.as_str() {
            "ciba" => ClientKind::Ciba,
            "hook-caller" => ClientKind::HookCaller,
            other => return Err(impossible(2, Type::Text, format!("`{other}` is not a kind of client"))),
        },
        origin: Origin::ALL
            .into_iter()
            .find(|known| known.as_str() == origin)
            .ok_or_else(|| impossible(3, Type::Text, format!("`{origin}` is not an origin of clients")))?,
        secret: digest.map(|digest| ClientSecret { digest: Digest(digest), sealed }),
        metadata: Arc::new(json(row, 6)?.unwrap_or_default()),
        registration_token: row.get::<_, Option<[u8; 32]>>(7)?.map(Digest),
        set_by_operator: json(row, 8)?.unwrap_or_default(),
    })
}

pub(super) const USER: &str = "u.id, u.username, u.name, u.email, u.phone, u.locale, u.declared";

/// Reads [`USER`] from column `at` on.
pub(super) fn user(row: &Row<'_>, at: usize) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get(at)?),
        username: row.get(at + 1)?,
        name: row.get(at + 2)?,
        email: row.get(at + 3)?,
        phone: row.get(at + 4)?,
        locale: row.get(at + 5)?,
        declared: row.get(at + 6)?,
    })
}

pub(super) const DEVICE: &str = "d.id, d.user, d.name, d.channel, d.address, d.added_at";
/// How many those are.
pub(super) const DEVICE_COLUMNS: usize = 6;

pub(super) fn device(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        id: DeviceId(row.get(0)?),
        user: UserId(row.get(1)?),
        name: row.get(2)?,
        channel: row.get(3)?,
        address: row.get(4)?,
        added_at: time(row, 5)?,
    })
}
