//! The person answers.

use super::Flow;
use crate::protocol::identifier::{TransactionId, UserId};
use crate::protocol::transaction::Decision;
use crate::protocol::user::Device;
use crate::store::{AuditEntry, Decided, DecisionBy, StoreError};

/// The name that stands where no device decided.
const OPERATOR: &str = "operator";

impl Flow {
    /// `pending → approved | denied`, by the user who was asked, before it expires. What the store answers is the
    /// truth: of two answers at the same time, one counts.
    ///
    /// # Errors
    /// When the store cannot answer; then nothing was decided that the person could not see by asking again.
    pub async fn decide(
        &self,
        transaction: &TransactionId,
        user: &UserId,
        decision: Decision,
        device: Option<&Device>,
        audit: Option<AuditEntry>,
    ) -> Result<Decided, StoreError> {
        let by = DecisionBy {
            transaction: transaction.clone(),
            user: user.clone(),
            decision,
            device: device.map(|device| device.id.clone()),
            device_name: device.map_or_else(|| OPERATOR.to_owned(), |device| device.name.clone()),
            evidence: None,
            audit,
        };
        let decided = self.store.decide(by, self.clock.now()).await?;
        if matches!(decided, Decided::Now(_)) {
            tracing::debug!(%transaction, decision = ?decision, "decided");
            self.wakes.decided(transaction, user);
        }
        Ok(decided)
    }

    /// The person says that somebody else's answer was not theirs. What the client got is taken back.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn report(&self, transaction: &TransactionId, user: &UserId) -> Result<bool, StoreError> {
        let audit =
            AuditEntry { at: self.clock.now(), who: format!("user {user}"), what: "report".to_owned(), about: transaction.0.clone() };
        let reported = self.store.report(transaction, user, audit).await?;
        if reported {
            tracing::warn!(%transaction, %user, "a person says that this was not them.  do: find out who approved it, and talk to the client's owner");
            self.wakes.decided(transaction, user);
        }
        Ok(reported)
    }
}
