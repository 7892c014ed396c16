//! A program that answers for people, where a suite of tests asks.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Authenticator;
use crate::protocol::identifier::ClientId;

/// `[conformance]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformance {
    /// Whether a program may answer.
    pub automated_approval: bool,
    /// For requests of these clients.
    pub clients: Vec<ClientId>,
    /// And of every client that registered itself.
    pub registered_clients: bool,
    /// A word in the address that nobody guesses.
    pub secret_path: String,
    /// What its approvals prove.
    pub authenticator: Authenticator,
}

impl Conformance {
    /// Where a program answers, if it may.
    pub fn address(&self) -> Option<String> {
        let secret = if self.secret_path.is_empty() { String::new() } else { format!("/{}", self.secret_path) };
        self.automated_approval.then(|| format!("/conformance{secret}/decide"))
    }

    pub(super) fn check(&self, listeners: &[SocketAddr]) -> Result<(), (&'static str, String)> {
        if !self.automated_approval {
            return Ok(());
        }
        if self.clients.is_empty() && !self.registered_clients {
            return Err(("conformance.clients", "must name the clients whose requests a program may answer".to_owned()));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !self.secret_path.chars().all(word) {
            return Err(("conformance.secret_path", "has letters, digits, `-` and `_` only".to_owned()));
        }
        let reached = listeners.iter().find(|listener| !listener.ip().is_loopback());
        match reached {
            Some(listener) if self.secret_path.len() < 32 => {
                Err(("conformance.secret_path", format!("must have at least 32 characters, because {listener} is not on loopback")))
            }
            _ => Ok(()),
        }
    }
}
