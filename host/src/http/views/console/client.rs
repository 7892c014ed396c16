//! The registered clients, as a list and one by one. Never a secret.

use serde::Serialize;

/// `GET /clients`.
#[derive(Clone, Debug, Serialize)]
pub struct Clients {
    /// By identifier.
    pub clients: Vec<Client>,
}

/// One client.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// What people read when it asks.
    pub name: String,
    /// How it came here: "by command".
    pub registered: &'static str,
    /// `private_key_jwt`.
    pub authentication: &'static str,
    /// `backchannel_token_delivery_mode`; `None` for one that only calls the HTTP hooks.
    pub mode: Option<&'static str>,
    /// The profile it keeps to.
    pub fapi: Option<&'static str>,
    /// What its tokens are bound to: "certificate", "DPoP key".
    pub bound: Vec<&'static str>,
}

/// `GET /clients/{id}`.
#[derive(Clone, Debug, Serialize)]
pub struct ClientDetail {
    pub client: Client,
    pub groups: Vec<Group>,
    pub change: Change,
}

/// What belongs together.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub title: &'static str,
    pub facts: Vec<Fact>,
}

/// One thing that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// In words.
    pub term: &'static str,
    /// The member's name where it is registered: `jwks_uri`.
    pub name: &'static str,
    pub values: Vec<String>,
}

/// Who can change it, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub sentence: &'static str,
    pub command: Option<String>,
}
