//! The story: an authentication is started, decided and redeemed. The only room that combines the others.
//!
//! [`start`] turns a client's request into a stored one with a job to announce it; [`decide`] lets the person who
//! was asked answer; [`redeem`] hands out the tokens, once. [`device`] is what a person's device may see,
//! [`operator`] what whoever runs the host may do.

pub mod decide;
pub mod declared;
pub mod device;
pub mod links;
pub mod operator;
pub mod redeem;
pub mod registration;
pub mod start;
mod wakes;

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, Random};
use crate::config::{Ciba, NotifyConfig, Registration};
use crate::jose::{KeyRing, Seal};
use crate::outbound::Caller;
use crate::protocol::client::credential::{Shown, secret_matches};
use crate::protocol::client::{Client, ClientKind, Origin, UnverifiedCredential};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::ClientId;
use crate::runtime::Runtime;
use crate::store::{Store, StoreError};

use links::Links;
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
    /// The protocol's numbers.
    pub ciba: Ciba,
    /// How clients register themselves, where they may.
    pub registration: Option<Registration>,
    /// How devices are tried.
    pub notify: NotifyConfig,
    /// Whether this host is for demonstrations: an operator may then decide for a person.
    pub demo: bool,
    /// How fast each request is polled.
    pub paces: redeem::Paces,
    /// Turns true when the host is to stop: whatever is held is answered then.
    pub stopping: watch::Receiver<bool>,
}

/// Why a client gets no answer: the protocol says no, or something here is broken or busy.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A rule of the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else failed on our side.
    #[error("{0}")]
    Internal(String),
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::Protocol(code.into())
    }
}

impl Flow {
    /// Who is asking.
    ///
    /// # Errors
    /// `invalid_client` when the credential is not that of a registered client.
    pub async fn authenticate_client(&self, credential: &UnverifiedCredential) -> Result<Client, Refused> {
        let registered = match &credential.client {
            Some(id) => self.registered(id).await?,
            None => None,
        };
        let Shown::Secret(secret) = &credential.shown else {
            return Err(ErrorCode::InvalidClient.into());
        };
        let known = registered.as_ref().and_then(|client| client.secret.as_ref()).map(|secret| &secret.digest);
        let right = secret_matches(secret, known);
        registered.filter(|_| right).ok_or(Refused::Protocol(ErrorCode::InvalidClient.into()))
    }

    /// The hook caller whose credential this is.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn hook_caller(&self, credential: &UnverifiedCredential) -> Result<Option<Client>, StoreError> {
        let (Some(id), Shown::Secret(secret)) = (&credential.client, &credential.shown) else { return Ok(None) };
        let registered = self.registered(id).await?;
        let known = registered.as_ref().and_then(|client| client.secret.as_ref()).map(|secret| &secret.digest);
        let right = secret_matches(secret, known);
        Ok(registered.filter(|client| right && client.kind == ClientKind::HookCaller))
    }

    /// The client of this name. What came with the demo is a stranger outside it, however it got here.
    async fn registered(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.store.client(id).await?.filter(|client| self.demo || client.origin != Origin::Demo))
    }
}
