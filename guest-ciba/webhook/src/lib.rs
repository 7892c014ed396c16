//! Wakes a device by a signed HTTP call, as Standard Webhooks describes it.
//!
//! The receiver is the operator's: a push gateway, a messenger, the bank's own app server. It learns that a
//! request waits, until when, and, where `links` is allowed, a link that opens it once.

use core::time::Duration;

use ciba_guest::http::{self, Answer, Url};
use ciba_guest::{Description, Need, Notify, Outcome, Plugin, Problem, Reason, ScriptError, Transaction, Withdraw, clock, log};

mod event;
mod settings;

use event::{Data, Event, Kind};
use settings::Settings;

/// Seconds to wait where the receiver does not say. The host waits longer after each further failure.
const SLOW_DOWN: u32 = 30;
const TRY_AGAIN: u32 = 5;

struct Webhook;

impl Plugin for Webhook {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Wakes a device by a signed HTTP call to the address in its settings.")
            .channel("webhook")
            .needs(Need::http("*"))
            .needs(Need::Links)
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        let mut problems = settings.problems();
        problems.extend(settings.unusable_secrets());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Notify for Webhook {
    fn notify(transaction: &Transaction, settings: Settings) -> Result<Outcome, ScriptError> {
        // Without the permission the receiver still learns that something waits.
        let link = transaction.one_time_link().ok();
        let event = Event { kind: Kind::Waiting, data: data(transaction, link) };
        match send(&event, &settings)? {
            Ok(answer) => Ok(outcome(&answer, event.id())),
            Err(http::Error::Timeout | http::Error::Failed(_)) => Ok(Outcome::Retryable(TRY_AGAIN)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Withdraw for Webhook {
    fn withdraw(transaction: &Transaction, settings: Settings, _reference: &str, _why: Reason) -> Result<(), ScriptError> {
        // How it ended is between the person and the client: the receiver only takes its message back.
        let event = Event { kind: Kind::Withdrawn, data: data(transaction, None) };
        let answer = send(&event, &settings)??;
        match answer.status {
            200..=299 | 404 | 410 => Ok(()),
            429 | 500..=599 => Err(ScriptError::Temporary(format!("the receiver answered {}", answer.status))),
            status => Err(ScriptError::Other(format!("the receiver answered {status}"))),
        }
    }
}

fn data(transaction: &Transaction, link: Option<String>) -> Data {
    Data {
        transaction: transaction.id(),
        device: transaction.device().map(|device| device.id()),
        expires_at: transaction.expires_at(),
        link,
    }
}

/// Signs with every secret, in the operator's order, or not at all: never a call with a signature missing.
fn signatures(settings: &Settings, message: &[u8]) -> Result<String, ScriptError> {
    let each = settings.secrets.iter().map(|secret| secret.webhook_signature(message));
    Ok(each.collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn send(event: &Event, settings: &Settings) -> Result<Result<Answer, http::Error>, ScriptError> {
    let url: Url = settings.url.parse().map_err(http::Error::from)?;
    let id = event.id();
    let timestamp = clock::now();
    let body = event.body(settings.envelope);
    // Neither of the first two contains the full stop between them.
    let signatures = signatures(settings, &[format!("{id}.{timestamp}.").as_bytes(), &body].concat())?;

    let answer = http::post(&settings.url)
        .header("content-type", settings.envelope.content_type())
        .header("user-agent", concat!("ciba-webhook/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &id)
        .header("webhook-timestamp", &timestamp.to_string())
        .header("webhook-signature", &signatures)
        .timeout(Duration::from_millis(settings.timeout_ms.into()))
        .body(body)
        .keep(0)
        .send();
    // Only the origin: the path of a webhook's address is often its secret.
    match &answer {
        Ok(answer) if answer.status >= 300 => log::warn!("{} answered {}", url.origin(), answer.status),
        Ok(_) => {}
        Err(error) => log::warn!("{}: {error}", url.origin()),
    }
    Ok(answer)
}

/// What the receiver's status means for the host.
fn outcome(answer: &Answer, id: String) -> Outcome {
    let retry_after = answer.retry_after();
    match answer.status {
        200..=299 => Outcome::accepted(id),
        410 => Outcome::EndpointGone(None),
        429 | 502 | 504 => Outcome::Throttled(retry_after.unwrap_or(SLOW_DOWN)),
        408 | 425 | 500..=599 => Outcome::Retryable(retry_after.unwrap_or(TRY_AGAIN)),
        401 | 403 => Outcome::CredentialRejected(format!("the receiver answered {}", answer.status)),
        400 | 413 | 422 => Outcome::PayloadRejected(format!("the receiver answered {}", answer.status)),
        _ => Outcome::EndpointSuspect,
    }
}

ciba_guest::plugin!(Webhook: notify, withdraw);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_what_the_host_does_next() {
        let answer = |status, retry_after: Option<&str>| Answer {
            status,
            headers: retry_after.map(|value| ("retry-after".into(), value.into())).into_iter().collect(),
            body: Vec::new(),
            truncated: false,
        };
        for (status, retry_after, expected) in [
            (204, None, "Accepted(\"id\")"),
            (410, None, "EndpointGone(None)"),
            (429, Some("7"), "Throttled(7)"),
            (502, None, "Throttled(30)"),
            (504, Some("Wed, 21 Oct 2026 07:28:00 GMT"), "Throttled(30)"),
            (503, Some("9"), "Retryable(9)"),
            (500, None, "Retryable(5)"),
            (401, None, "CredentialRejected(\"the receiver answered 401\")"),
            (413, None, "PayloadRejected(\"the receiver answered 413\")"),
            (302, None, "EndpointSuspect"),
            (404, None, "EndpointSuspect"),
        ] {
            let outcome = format!("{:?}", outcome(&answer(status, retry_after), "id".into()));
            assert!(outcome.ends_with(expected), "{status}: {outcome}");
        }
    }
}
