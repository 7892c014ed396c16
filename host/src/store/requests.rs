//! Requests: how they begin, how they are decided, and how they are shown.

use jiff::Timestamp;

use super::{AuditEntry, Notified, Parties, Telling};
use crate::protocol::identifier::{DeviceId, Digest, TransactionId, UserId};
use crate::protocol::transaction::{Decision, Evidence, Request};

/// A request to be stored.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Everything known of it.
    pub request: Request,
    /// Digest of `auth_req_id`; `None` for an outside provider's request.
    pub auth_req_id: Option<Digest>,
    /// To whom a notify job that is written with it speaks; `None` for a request that nobody is told of.
    pub notify: Option<Parties>,
    /// A note of a plugin's for the person.
    pub note: Option<String>,
    /// For ping and push: `auth_req_id` and the notification token, encrypted. With it a job is written that tells the
    /// client when the request ends, however it ends.
    pub to_notify: Option<Vec<u8>>,
    /// What this request uses up: it is stored only if none of it was used before.
    pub spends: Vec<Spent>,
    /// Whether it takes the place of what the same client asked the same person before and still waits.
    pub supersedes: bool,
}

impl NewRequest {
    /// A request that is redeemed by `auth_req_id`, and announced to whom `notify` names.
    pub fn polled(request: Request, auth_req_id: Digest, notify: Parties) -> Self {
        let auth_req_id = Some(auth_req_id);
        Self { request, auth_req_id, notify: Some(notify), note: None, to_notify: None, spends: Vec::new(), supersedes: false }
    }
}

/// Something that works once.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Its digest.
    pub what: Digest,
    /// Until when it has to be remembered.
    pub until: Timestamp,
}

/// Whether a request was stored.
#[derive(Clone, Debug)]
pub enum Start {
    /// It was, and these are superseded by it.
    Stored(Vec<Request>),
    /// It was not: what it would use up was used before.
    Spent,
}

/// Who decides what.
#[derive(Clone, Debug)]
pub struct DecisionBy {
    /// Which request.
    pub transaction: TransactionId,
    /// Whose it must be.
    pub user: UserId,
    /// What they say.
    pub decision: Decision,
    /// On which of their devices; `None` for an operator.
    pub device: Option<DeviceId>,
    /// What the person calls it.
    pub device_name: String,
    /// What was verified, where they approve.
    pub evidence: Option<Evidence>,
    /// Written with the decision where an operator stands in for the person.
    pub audit: Option<AuditEntry>,
}

/// How a decision ended.
#[derive(Clone, Debug)]
pub enum Decided {
    /// It counts, and the request now stands like this.
    Now(Box<Card>),
    /// It does not: the request stands as it says, or there is none of this user.
    Not(Option<Box<Card>>),
}

/// A request as the device page shows it.
#[derive(Clone, Debug)]
pub struct Card {
    /// The request.
    pub request: Request,
    /// The client's registered name; `None` when it is no longer registered.
    pub client_name: Option<String>,
    /// Whether the operator vouches for that name: nobody does for a client that registered itself.
    pub client_vouched: bool,
    /// The least `acr` that the client takes, where it says so.
    pub acr_minimum: Option<String>,
    /// A plugin's note.
    pub note: Option<String>,
    /// Whether the person sees it: a plugin announced it, or they checked.
    pub shown: bool,
    /// The name of the device on which it was decided, or of what stood in for one.
    pub decided_on: Option<String>,
    /// That device; `None` when no device of the person's decided.
    pub decided_by: Option<DeviceId>,
    /// Whether the person said afterwards that it was not them.
    pub reported: bool,
}

/// A request as the operator sees it: no hint, no binding message.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The request.
    pub request: Request,
    /// The user's username, while the user exists.
    pub username: Option<String>,
    /// How devices were reached.
    pub notified: Vec<Notified>,
    /// How far the client is told how it ended, in ping and push mode.
    pub telling: Telling,
}
