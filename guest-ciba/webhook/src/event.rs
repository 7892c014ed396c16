//! The body of the call: a wake-up. It says that something waits and until when, never what or for whom.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The shape of the body.
#[derive(Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    #[default]
    Plain,
    CloudEvents,
}

/// What happened.
#[derive(Clone, Copy)]
pub enum Kind {
    Waiting,
    Withdrawn,
}

/// What the receiver learns about it. All of it is opaque to the receiver but the expiry.
#[derive(Serialize)]
pub struct Data {
    /// The transaction: redeems nothing.
    pub transaction: String,
    /// The host's identifier of the device, so that a receiver of many wakes the right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Seconds since 1970. After it there is nothing to decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Opens the request on the device page, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

pub struct Event {
    pub kind: Kind,
    pub data: Data,
}

impl Envelope {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::CloudEvents => "application/cloudevents+json; charset=utf-8",
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Waiting => "ciba.request.waiting",
            Self::Withdrawn => "ciba.request.withdrawn",
        }
    }
}

impl Event {
    /// The same for every attempt at the same event, so that a receiver can tell a repetition. Contains no
    /// full stop, which separates the parts of what is signed.
    pub fn id(&self) -> String {
        let mut digest = Sha256::new();
        for part in [self.kind.name(), &self.data.transaction, self.data.device.as_deref().unwrap_or("")] {
            // With their lengths, so that no two lists of parts read the same.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        format!("msg_{}", URL_SAFE_NO_PAD.encode(&digest.finalize()[..18]))
    }

    pub fn body(&self, envelope: Envelope) -> Vec<u8> {
        let body = match envelope {
            Envelope::Plain => serde_json::to_vec(&Plain { kind: self.kind.name(), data: &self.data }),
            Envelope::CloudEvents => serde_json::to_vec(&CloudEvent {
                specversion: "1.0",
                id: &self.id(),
                source: "/ciba-host",
                kind: self.kind.name(),
                subject: &self.data.transaction,
                datacontenttype: "application/json",
                data: &self.data,
            }),
        };
        body.expect("texts and numbers always become JSON")
    }
}

#[derive(Serialize)]
struct Plain<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a Data,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    datacontenttype: &'a str,
    data: &'a Data,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, transaction: &str, device: &str) -> Event {
        let data = Data { transaction: transaction.into(), device: Some(device.into()), expires_at: Some(1_900_000_000), link: None };
        Event { kind, data }
    }

    #[test]
    fn the_id_is_stable_and_different_for_different_events() {
        let id = event(Kind::Waiting, "tx", "phone").id();
        assert_eq!(id, event(Kind::Waiting, "tx", "phone").id());
        assert!(id.starts_with("msg_") && !id.contains('.'), "{id}");
        for other in [
            event(Kind::Withdrawn, "tx", "phone"),
            event(Kind::Waiting, "tx2", "phone"),
            event(Kind::Waiting, "tx", "tablet"),
            event(Kind::Waiting, "txp", "hone"),
        ] {
            assert_ne!(id, other.id());
        }
    }

    #[test]
    fn the_body_has_these_members_and_no_others() {
        let event = event(Kind::Waiting, "tx", "phone");
        assert_eq!(
            String::from_utf8(event.body(Envelope::Plain)).unwrap(),
            r#"{"type":"ciba.request.waiting","data":{"transaction":"tx","device":"phone","expires_at":1900000000}}"#
        );
        let body: serde_json::Value = serde_json::from_slice(&event.body(Envelope::CloudEvents)).unwrap();
        assert_eq!(body["specversion"], "1.0");
        assert_eq!(body["id"], event.id());
        assert_eq!(body["data"]["transaction"], "tx");
    }
}
