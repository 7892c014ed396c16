//! The story: an authentication is started, decided and redeemed. The only room that combines the others.
//!
//! [`start`] turns a client's request into a stored one with a job to announce it; [`decide`] lets the person who
//! was asked answer; [`redeem`] hands out the tokens, once. [`device`] is what a person's device may see,
//! [`operator`] what whoever runs the host may do.

pub mod authenticate;
pub mod client_keys;
mod conformance;
pub mod decide;
pub mod declared;
pub mod details;
pub mod device;
pub mod dpop;
mod hint;
pub mod hint_issuers;
mod interception;
mod kept_keys;
pub mod keys;
pub mod limits;
pub mod links;
pub mod mint;
pub mod nobody;
pub mod operator;
pub mod protected;
pub mod redeem;
pub mod refresh;
pub mod registration;
mod served;
mod signed_request;
pub mod start;
pub mod subject;
pub mod tally;
pub mod tell;
pub mod turns;
pub mod user_code;
pub mod view;
mod wakes;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::watch;

use crate::clock::{Clock, Random};
use crate::config::{Authenticators, Ciba, Conformance, NotifyConfig, Registration, Tokens};
use crate::jose::{KeyRing, Seal};
use crate::outbound::Caller;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::runtime::Runtime;
use crate::store::{Store, StoreError};
use crate::traces::Origins;

use client_keys::ClientKeys;
use details::DetailTypes;
use dpop::Nonces;
use hint_issuers::HintIssuers;
use limits::Limits;
use links::Links;
use nobody::Nobodies;
use subject::Subjects;
use tally::Tally;
use turns::Turns;
pub use wakes::{Waiting, Wakes};

/// Everything the story needs. One per process.
pub struct Flow {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// The plugins.
    pub runtime: Arc<Runtime>,
    /// Who must be told that something changed.
    pub wakes: Wakes,
    /// One-time links to requests.
    pub links: Links,
    /// The time.
    pub clock: Clock,
    /// Unguessable bytes.
    pub random: Random,
    /// Signs tokens.
    pub keys: KeyRing,
    /// Encrypts what must be told again later, or shown again: what ping and push send, secrets that make MACs.
    pub seal: Arc<Seal>,
    /// Calls addresses that clients registered.
    pub callbacks: Caller,
    /// `iss`.
    pub issuer: String,
    /// Where clients that show a certificate find the same endpoints, without a trailing slash (RFC 8705 5).
    pub mtls: Option<String>,
    /// Subjects of users.
    pub subjects: Subjects,
    /// Names of people whom nobody knows.
    pub nobodies: Nobodies,
    /// Nonces for DPoP.
    pub nonces: Nonces,
    /// Keys of clients that were read already.
    pub client_keys: ClientKeys,
    /// The protocol's numbers.
    pub ciba: Ciba,
    /// What tokens are like.
    pub tokens: Tokens,
    /// What is proved by an approval.
    pub authenticators: Authenticators,
    /// Whether and for whom a program answers.
    pub conformance: Conformance,
    /// How clients register themselves, where they may.
    pub registration: Option<Registration>,
    /// The types of `authorization_details`.
    pub details: DetailTypes,
    /// Who may name people in a `login_hint_token`.
    pub hint_issuers: HintIssuers,
    /// How devices are tried.
    pub notify: NotifyConfig,
    /// Whether this host is for demonstrations: an operator may then decide for a person.
    pub demo: bool,
    /// Who may ask how often.
    pub limits: Limits,
    /// Codes that are compared.
    pub code_turns: Arc<Turns>,
    /// How fast each request is polled.
    pub paces: redeem::Paces,
    /// How often what happens happened.
    pub tally: Tally,
    /// The trace that each request was started in.
    pub origins: Origins,
    /// Turns true when the host is to stop: whatever is held is answered then.
    pub stopping: watch::Receiver<bool>,
}

/// Why a client gets no answer: the protocol says no, or something here is broken or busy.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A rule of the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Too often, or too often wrong: nothing was looked at, and coming back later helps.
    #[error("{error}, for {after} seconds")]
    Later {
        /// What the client is told.
        error: ProtocolError,
        /// Seconds.
        after: u64,
    },
    /// There is too much to do here already: nothing was looked at, and coming back soon helps.
    #[error("too much is to be done already")]
    Busy,
    /// A plugin that decides about it failed. Coming back may help, once somebody has looked.
    #[error("a plugin that decides about this gave no answer")]
    Plugin,
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// RFC 9449 8: the proof needs a nonce, this one.
    #[error("use_dpop_nonce")]
    Nonce(String),
    /// Something else failed on our side.
    #[error("{0}")]
    Internal(String),
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::Protocol(code.into())
    }
}

impl Refused {
    /// Refused for this long, and at least for a second.
    fn later(error: ProtocolError, wait: SignedDuration) -> Self {
        Self::Later { error, after: u64::try_from((wait.as_millis() + 999) / 1000).unwrap_or(1).max(1) }
    }
}
