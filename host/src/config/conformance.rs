//! A program that answers for people, where a suite of tests asks.

use serde::{Deserialize, Serialize};

use super::{Authenticator, Registration};
use crate::protocol::identifier::ClientId;

/// The fewest characters of a path that nobody guesses.
const SECRET_PATH_MIN: usize = 32;

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

    /// `reached` is how somebody beyond this machine may come here, if anybody can.
    pub(super) fn check(&self, reached: Option<&str>) -> Result<(), (&'static str, String)> {
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
        match reached {
            Some(how) if self.secret_path.len() < SECRET_PATH_MIN => {
                Err(("conformance.secret_path", format!("must have at least {SECRET_PATH_MIN} characters, because {how}")))
            }
            _ => Ok(()),
        }
    }

    /// Where anybody may register, a program that decides for whoever registered would decide for anybody.
    pub(super) fn check_registration(&self, registration: &Registration) -> Result<(), (&'static str, String)> {
        if self.automated_approval && self.registered_clients && registration.enabled && registration.open {
            let what =
                "must not be set together with registration.open: anybody could register, and be approved; invite the suite's clients";
            return Err(("conformance.registered_clients", what.to_owned()));
        }
        Ok(())
    }
}
