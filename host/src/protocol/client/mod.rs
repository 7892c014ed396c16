//! Clients: what is registered of them, and how they prove who they are.
//!
//! [`metadata`] is what a client says of itself, in the words of RFC 7591; [`credential`] reads what it shows in a
//! request.

pub mod assertion;
pub mod credential;
pub mod metadata;
pub mod registration;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use credential::UnverifiedCredential;
pub use metadata::{AuthenticationMethod, ClientMetadata, DeliveryMode, FapiProfile, SubjectType, TokenFormat};

use super::GRANT_TYPE_CIBA;
use super::identifier::{ClientId, Digest};

/// What a registered party may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// A relying party that starts CIBA authentications.
    Ciba,
    /// Another provider that calls the HTTP hooks, and nothing else.
    HookCaller,
}

impl ClientKind {
    /// The word in the database and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ciba => "ciba",
            Self::HookCaller => "hook-caller",
        }
    }
}

/// How a client came to be registered: who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// By command.
    Command,
    /// In a file: only the file changes it.
    Declared,
    /// By dynamic registration (RFC 7591): it manages itself.
    Registered,
    /// With the demo, which everybody knows the secrets of: it goes with the demo.
    Demo,
}

impl Origin {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Command, Self::Declared, Self::Registered, Self::Demo];

    /// The word in the database and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Declared => "declared",
            Self::Registered => "registered",
            Self::Demo => "demo",
        }
    }
}

/// A client's secret, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// Of the secret: enough to compare.
    pub digest: Digest,
    /// The secret itself, encrypted with a key of the installation, where the method needs it (`client_secret_jwt`).
    pub sealed: Option<Vec<u8>>,
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// What it may do here.
    pub kind: ClientKind,
    /// Its secret, where its method has one.
    pub secret: Option<ClientSecret>,
    /// What it says of itself, checked.
    pub metadata: Arc<ClientMetadata>,
    /// How it came here.
    pub origin: Origin,
    /// Digest of its registration access token (RFC 7592 3), where it manages itself.
    pub registration_token: Option<Digest>,
    /// Of a client that manages itself, the members that an operator set: they stay when it changes itself.
    pub set_by_operator: Vec<String>,
}

impl Client {
    /// One that polls with a secret, and asks for nothing else.
    pub fn with_secret(id: ClientId, name: &str, kind: ClientKind, secret: Digest, origin: Origin) -> Self {
        let metadata = ClientMetadata {
            client_name: Some(name.to_owned()),
            grant_types: vec![GRANT_TYPE_CIBA.to_owned()],
            ..ClientMetadata::default()
        };
        let secret = Some(ClientSecret { digest: secret, sealed: None });
        Self { id, kind, secret, metadata: Arc::new(metadata), origin, registration_token: None, set_by_operator: Vec::new() }
    }

    /// Whether an operator says who it is. What registered itself says so itself.
    pub fn is_vouched_for(&self) -> bool {
        self.origin != Origin::Registered
    }

    /// The name shown to the person.
    pub fn name(&self) -> &str {
        self.metadata.client_name.as_deref().unwrap_or(self.id.as_str())
    }

    /// `backchannel_token_delivery_mode`.
    pub fn delivery(&self) -> DeliveryMode {
        self.metadata.backchannel_token_delivery_mode
    }
}
