//! A program answers for the person, so that a conformance suite can run by itself. It is a simulated authenticator: what
//! it proves stands in the configuration, and it answers for named clients only.

use super::decide::{Answered, By};
use super::{Flow, Refused};
use crate::protocol::client::Origin;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::UnverifiedBearer;
use crate::protocol::transaction::{Decision, State};
use crate::store::AuditEntry;

impl Flow {
    /// Decides the request with this `auth_req_id`, if its client takes part.
    ///
    /// # Errors
    /// When there is no such request of a client that takes part, or it cannot be decided any more.
    pub async fn decide_automatically(&self, auth_req_id: &str, decision: Decision) -> Result<(), Refused> {
        let unknown = || ProtocolError::new(ErrorCode::InvalidRequest, "no request of a client that takes part has this auth_req_id");
        let found = self.store.request_by_auth_req_id(&UnverifiedBearer::read(auth_req_id)).await?;
        let request = found.ok_or_else(unknown)?;
        let client = self.registered(&request.client).await?.ok_or_else(unknown)?;
        let takes_part =
            self.conformance.clients.contains(&client.id) || (self.conformance.registered_clients && client.origin == Origin::Registered);
        if !takes_part {
            return Err(unknown().into());
        }
        if self.store.user(&request.user).await?.is_none() {
            return Err(unknown().into());
        }
        let audit = AuditEntry {
            at: self.clock.now(),
            who: "conformance".to_owned(),
            what: format!("request {}", decision.leads_to().as_str()),
            about: request.transaction.0.clone(),
        };
        match self.decide(&request.transaction, &request.user, decision, By::Conformance, Some(audit)).await? {
            Answered::Now(_) => Ok(()),
            Answered::AskAgain(..) => {
                Err(ProtocolError::new(ErrorCode::InvalidRequest, "the request waits on: a plugin asks for another answer").into())
            }
            Answered::Unreviewed(_) => Err(Refused::Plugin),
            Answered::Not(card) => {
                let waits = card.is_some_and(|card| card.request.state(self.clock.now()) == State::Pending);
                let what = if waits {
                    "the request waits on: conformance.authenticator proves less than acr_minimum of its client"
                } else {
                    "the request is not pending any more"
                };
                Err(ProtocolError::new(ErrorCode::InvalidRequest, what).into())
            }
        }
    }
}
