//! The states of one authentication request.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::DeliveryMode;
use super::identifier::{ClientId, TransactionId, UserId};

/// What is stored of where a request stands. Expiry is not stored: it is read off the clock, so that no
/// clean-up job has to run for a request to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Nobody has decided.
    Pending,
    /// The person approved; the tokens were not fetched yet.
    Approved,
    /// The person denied.
    Denied,
    /// The tokens were handed out.
    Redeemed,
    /// A newer request of the same client for the same person took its place.
    Superseded,
}

impl Stored {
    const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Denied, Self::Redeemed, Self::Superseded];

    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Redeemed => "redeemed",
            Self::Superseded => "superseded",
        }
    }

    /// The state a stored word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Where a request stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has decided, and there is time left.
    Pending,
    /// Approved, and the client may still fetch the tokens.
    Approved,
    /// Denied by the person.
    Denied,
    /// The tokens were handed out.
    Redeemed,
    /// Nobody decided in time, or nobody fetched the tokens in time.
    Expired,
    /// A newer request took its place.
    Superseded,
}

impl State {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

/// How long after its expiry an approved request can still be redeemed, in seconds: the person may approve in
/// the last second, and the client needs the time to fetch.
pub const REDEEM_GRACE_SECONDS: i64 = 60;

/// One authentication request, without anything that only one room needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What plugins and devices call it.
    pub transaction: TransactionId,
    /// Who asks.
    pub client: ClientId,
    /// Who is asked.
    pub user: UserId,
    /// `scope` as it goes over the wire.
    pub scope: String,
    /// The message to be shown on both devices.
    pub binding_message: Option<String>,
    /// `acr_values`: what the client would like, never what it gets told.
    pub acr_values: Vec<String>,
    /// What is stored of its state.
    pub stored: Stored,
    /// When it was asked.
    pub created_at: Timestamp,
    /// The one clock of this request: when deciding ends.
    pub expires_at: Timestamp,
    /// When the person decided, or the request was superseded.
    pub decided_at: Option<Timestamp>,
    /// How the client hears of it (CIBA Core 5).
    pub delivery: DeliveryMode,
    /// What only some requests have.
    pub particulars: Option<Arc<Particulars>>,
    /// What was verified when the person approved.
    pub evidence: Option<Evidence>,
}

/// What only some requests have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Particulars {
    /// RFC 9396: an array of objects, each of a type that the host knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
    /// RFC 8707: where the access token is to be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// Data for fraud checks, for plugins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_context: Option<Value>,
    /// In push mode, what the client proved to hold when it asked: its tokens are bound to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The least `acr` of an approval, where a plugin requires one for this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr_minimum: Option<String>,
}

/// What a token is bound to (RFC 7800 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// SHA-256 of a client certificate, base64url (RFC 8705 3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(String),
    /// Thumbprint of a DPoP key (RFC 9449 6.1).
    #[serde(rename = "jkt")]
    Key(String),
}

/// What was verified when the person approved: never what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Authentication context class, out of the operator's table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

impl Request {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> State {
        let expired = now >= self.expires_at;
        match self.stored {
            Stored::Pending if expired => State::Expired,
            Stored::Pending => State::Pending,
            Stored::Approved if now >= self.redeem_until() => State::Expired,
            Stored::Approved => State::Approved,
            Stored::Denied => State::Denied,
            Stored::Redeemed => State::Redeemed,
            Stored::Superseded => State::Superseded,
        }
    }

    /// Whether it ended because nobody could be reached: a denial by nobody.
    pub fn is_given_up(&self) -> bool {
        self.stored == Stored::Denied && self.decided_at.is_none()
    }

    /// What only some requests have, empty where this one has nothing of it.
    pub fn particulars(&self) -> Particulars {
        self.particulars.as_deref().cloned().unwrap_or_default()
    }

    /// Until when an approved request can be redeemed.
    pub fn redeem_until(&self) -> Timestamp {
        self.expires_at.saturating_add(jiff::SignedDuration::from_secs(REDEEM_GRACE_SECONDS)).unwrap_or(self.expires_at)
    }
}

/// What the person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes, that is me and I want this.
    Approve,
    /// No.
    Deny,
}

impl Decision {
    /// The state a pending request goes to.
    pub const fn leads_to(self) -> Stored {
        match self {
            Self::Approve => Stored::Approved,
            Self::Deny => Stored::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn expiry_is_read_off_the_clock_and_only_moves_what_is_undecided_or_unfetched() {
        let mut request = Request {
            transaction: "t".into(),
            client: "c".into(),
            user: "u".into(),
            scope: "openid".to_owned(),
            binding_message: None,
            acr_values: vec![],
            stored: Stored::Pending,
            created_at: at(0),
            expires_at: at(100),
            decided_at: None,
            delivery: DeliveryMode::Poll,
            particulars: None,
            evidence: None,
        };
        for (stored, now, state) in [
            (Stored::Pending, 99, State::Pending),
            (Stored::Pending, 100, State::Expired),
            (Stored::Approved, 100, State::Approved),
            (Stored::Approved, 159, State::Approved),
            (Stored::Approved, 160, State::Expired),
            (Stored::Denied, 500, State::Denied),
            (Stored::Redeemed, 500, State::Redeemed),
            (Stored::Superseded, 500, State::Superseded),
        ] {
            request.stored = stored;
            assert_eq!(request.state(at(now)), state, "{stored:?} at {now}");
        }
    }
}
