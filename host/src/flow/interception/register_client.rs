//! `register-client`: whether a client may register or change itself, and as what.

use serde_json::{Map, Value};

use super::super::registration::OPERATORS;
use super::super::{Flow, Refused};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::runtime::{RegisterClient, Registering, Registration, Shape, Version};

/// The longest text that a client is told, in characters.
const TOLD_MAX: usize = 200;

/// Secrets that a client may have sent along. No plugin sees them, and nothing is kept of them.
const SECRETS: [&str; 2] = ["client_secret", "registration_access_token"];

impl Flow {
    /// Asks every plugin about what a client says of itself, each with what the ones before it left. The host's own rules
    /// come after.
    ///
    /// # Errors
    /// One of them refuses it, or failed.
    pub(in super::super) async fn review_registration(
        &self,
        occasion: Registering,
        mut members: Map<String, Value>,
    ) -> Result<Map<String, Value>, Refused> {
        if self.runtime.catalog().all_of_hook::<RegisterClient>().is_empty() {
            return Ok(members);
        }
        for secret in SECRETS {
            members.remove(secret);
        }
        // One that has no name yet is taken by what it says.
        let by = match &occasion {
            Registering::Create => Value::Object(members.clone()).to_string(),
            Registering::Update(id) => id.clone(),
        };
        let Some(turns) = self.turns::<RegisterClient>(&by) else { return Ok(members) };
        for turn in &turns {
            let metadata = Value::Object(members.clone()).to_string();
            let asked = self.ask(turn, RegisterClient { occasion: occasion.clone(), metadata }).await?;
            let Some((version, registration)) = asked else { continue };
            match registration {
                Registration::Refuse(why) => {
                    tracing::info!(plugin = %version.name, %why, "a plugin refused a client's registration");
                    return Err(refused(&why));
                }
                Registration::Register(changes) => {
                    for change in changes {
                        apply(version, change, &mut members);
                    }
                }
            }
        }
        Ok(members)
    }
}

fn apply(version: &Version, change: Shape, members: &mut Map<String, Value>) {
    let (Shape::Set(name, _) | Shape::Remove(name)) = &change;
    // It is left out like what a client says of it: see `within` in `flow/registration.rs`.
    if OPERATORS.contains(&name.as_str()) {
        version.shared.say_without_effect(&format!("it changed `{name}` of a client that registers itself, which only an operator sets"));
    }
    match change {
        Shape::Set(name, value) => drop(members.insert(name, value)),
        Shape::Remove(name) => drop(members.remove(&name)),
    }
}

fn refused(why: &str) -> Refused {
    if why.trim().is_empty() {
        return ErrorCode::InvalidClientMetadata.into();
    }
    ProtocolError::new(ErrorCode::InvalidClientMetadata, why.chars().take(TOLD_MAX).collect::<String>()).into()
}
