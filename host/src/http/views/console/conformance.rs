//! The banner of a host that certifies itself.

use serde::Serialize;

/// What the conformance switch changes, all of it: it stands on every page of the console as long as it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// `client_id` of those whose requests a program decides.
    pub clients: Vec<String>,
    /// And of every client that registered itself.
    pub registered_clients: bool,
    /// Every limit that is relaxed, in words.
    pub relaxed: Vec<String>,
    /// Every private origin or network that clients may be called at.
    pub private_origins: Vec<String>,
}

impl Conformance {
    pub(super) fn nobody(&self) -> bool {
        self.clients.is_empty() && !self.registered_clients
    }
}
