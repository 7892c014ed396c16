//! Sends what happened to an audit collector, signed.

use core::time::Duration;

use ciba_guest::http::{self, Url};
use ciba_guest::{Description, Event, Need, Observe, Plugin, Problem, ScriptError, Secret};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: String,
    /// Says which host it was: each numbers its own events.
    source: String,
    /// The plugin never sees the key; the host signs with it.
    key: Secret,
}

/// What is sent. Nobody is named but by identifiers, and nothing is said of what was approved.
#[derive(Serialize)]
struct Entry {
    id: String,
    kind: String,
    /// In milliseconds since 1970.
    at: u64,
    transaction: String,
    client: String,
    user: Option<String>,
}

struct AuditCollector;

impl Plugin for AuditCollector {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Sends what happened to an audit collector, signed.")
            .needs(Need::http("*"))
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        match settings.url.parse::<Url>() {
            Ok(url) if url.is_https() || url.is_loopback() => Ok(()),
            Ok(_) => Err(vec![Problem::new("/url", "must begin with https://: an audit is nobody else's to read")]),
            Err(error) => Err(vec![Problem::new("/url", error.to_string())]),
        }
    }
}

impl Observe for AuditCollector {
    fn observe(settings: Settings, event: &Event) -> Result<(), ScriptError> {
        let entry = Entry {
            id: format!("{}/{}", settings.source, event.id()),
            kind: event.kind(),
            at: event.at(),
            transaction: event.transaction_id(),
            client: event.client_id(),
            user: event.user_id(),
        };
        let body = serde_json::to_vec(&entry).map_err(|error| ScriptError::Other(error.to_string()))?;
        let signature = settings.key.hmac_sha256(&body)?;
        let answer = http::post(&settings.url)
            .header("content-type", "application/json")
            // The same at every try: the collector keeps the first and may answer 409 to the rest.
            .header("idempotency-key", &entry.id)
            .header("x-signature", &format!("sha256={}", hexadecimal(&signature)))
            .timeout(Duration::from_secs(3))
            .body(body)
            .keep(0)
            .send()?;
        if answer.status == 409 {
            return Ok(());
        }
        // Whatever else went wrong, the host tells of this event again, and of later ones after it.
        answer.success()?;
        Ok(())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

ciba_guest::plugin!(AuditCollector: observe);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_two_digits_each() {
        assert_eq!(hexadecimal(&[0, 10, 255]), "000aff");
    }
}
