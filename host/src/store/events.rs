//! What happened, for plugins that observe.

use jiff::{SignedDuration, Timestamp};

use crate::protocol::identifier::{ClientId, TransactionId, UserId};
use crate::protocol::transaction::Decision;

/// How long an event is kept for whoever has not heard of it, and the place of an observer that does not serve.
pub const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The kinds of things that happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was stored.
    Started,
    /// The person approved it.
    Approved,
    /// It was denied: by the person, or because it cannot be decided any more.
    Denied,
    /// A newer one of the same client took its place.
    Superseded,
    /// The person said that it was not them.
    Reported,
    /// Tokens were made for it: redeemed, pushed or refreshed.
    TokensIssued,
}

impl EventKind {
    /// Every one there is.
    pub const ALL: [Self; 6] = [Self::Started, Self::Approved, Self::Denied, Self::Superseded, Self::Reported, Self::TokensIssued];

    /// The word in the database, which is the contract's (`wit/transactions.wit`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "request-started",
            Self::Approved => "request-approved",
            Self::Denied => "request-denied",
            Self::Superseded => "request-superseded",
            Self::Reported => "request-reported",
            Self::TokensIssued => "tokens-issued",
        }
    }
}

impl From<Decision> for EventKind {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Approve => Self::Approved,
            Decision::Deny => Self::Denied,
        }
    }
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEvent {
    /// Greater for what came later.
    pub id: i64,
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The request.
    pub transaction: TransactionId,
    /// Its client.
    pub client: ClientId,
    /// Whom it asks.
    pub user: UserId,
}

/// What an observer has not heard of.
#[derive(Clone, Debug, Default)]
pub struct Unheard {
    /// Events that were forgotten before it heard of them: they had grown too old.
    pub lost: u64,
    /// The next ones, in the order in which they happened.
    pub events: Vec<RequestEvent>,
}
