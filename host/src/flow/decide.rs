//! The person answers.

use super::Flow;
use super::interception::Reviewed;
use super::tally::Happened;
use crate::config::Authenticator;
use crate::protocol::identifier::{TransactionId, UserId};
use crate::protocol::note::Note;
use crate::protocol::plugin::PluginName;
use crate::protocol::transaction::{Decision, Evidence};
use crate::protocol::user::Device;
use crate::store::{AuditEntry, Card, Decided, DecisionBy, StoreError};

/// Who answers, which says what is known of how they proved who they are.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A device page of the person.
    Device(&'a Device),
    /// An operator stands in for the person, for demonstrations.
    Operator,
    /// A program stands in for the person, for conformance tests.
    Conformance,
    /// A plugin that the operator lets say what people decided.
    Plugin(&'a PluginName),
}

/// What stands for the device's name where a program answered, for conformance tests.
pub const SIMULATED: &str = "simulated authenticator";
/// What stands there where a plugin denied what was approved.
pub const BY_RULES: &str = "the provider's rules";

/// What stands there before the name of the plugin that submitted the decision.
pub const BY_PLUGIN: &str = "plugin ";

/// What became of an answer.
#[derive(Clone, Debug)]
pub enum Answered {
    /// The request is decided, and now stands like this: denied, where a plugin denied what was approved.
    Now(Box<Card>),
    /// It does not count: the request stands as it says, or there is none of this user.
    Not(Option<Box<Card>>),
    /// It does not count, because of a plugin, which says what is missing. The request waits on.
    AskAgain(Box<Card>, Note),
    /// It does not count, because a plugin that reviews answers failed. The request waits on, and the same answer may count
    /// soon.
    Unreviewed(Box<Card>),
}

impl Flow {
    /// `pending → approved | denied`, by the user who was asked, before it expires. What the store answers is the
    /// truth: of two answers at the same time, one counts. An approval that proves less than the client takes does not
    /// count, and the request waits on. Plugins review the answer before it counts.
    ///
    /// # Errors
    /// When the store cannot answer; then nothing was decided that the person could not see by asking again.
    pub async fn decide(
        &self,
        transaction: &TransactionId,
        user: &UserId,
        decision: Decision,
        by: By<'_>,
        mut audit: Option<AuditEntry>,
    ) -> Result<Answered, StoreError> {
        let evidence = self.evidence(by);
        if decision == Decision::Approve
            && !self.authenticators.order.is_empty()
            && let Some(card) = self.store.card(user, transaction).await?
            && self.is_too_weak(&evidence, &card)
        {
            tracing::warn!(%transaction, "an approval proves less than the client takes (acr_minimum); the request waits on.  do: see [authenticators]");
            return Ok(Answered::Not(Some(Box::new(card))));
        }
        let denied_by = match self.review_decision(transaction, user, decision, by, &evidence).await? {
            Reviewed::Stands => None,
            Reviewed::Denied(plugin) => Some(plugin),
            Reviewed::AskAgain(card, note) => return Ok(Answered::AskAgain(card, note)),
            Reviewed::Failed(card) => return Ok(Answered::Unreviewed(card)),
            Reviewed::Moot(card) => return Ok(Answered::Not(card)),
        };
        // Whoever denied did so, whatever a plugin says beside them.
        let denied_by = denied_by.filter(|_| decision == Decision::Approve);
        let decision = if denied_by.is_some() { Decision::Deny } else { decision };
        if let (Some(plugin), Some(audit)) = (&denied_by, &mut audit) {
            audit.what.push_str(&format!(", denied by the plugin {plugin}"));
        }
        let by = DecisionBy {
            transaction: transaction.clone(),
            user: user.clone(),
            decision,
            device: by.device().filter(|_| denied_by.is_none()).map(|device| device.id.clone()),
            device_name: if denied_by.is_some() { BY_RULES.to_owned() } else { by.name() },
            evidence: Some(evidence).filter(|evidence| decision == Decision::Approve && *evidence != Evidence::default()),
            audit,
        };
        match self.store.decide(by, self.clock.now()).await? {
            Decided::Now(card) => {
                tracing::debug!(%transaction, decision = ?decision, "decided");
                self.tally.count(if decision == Decision::Approve { Happened::Approved } else { Happened::Denied });
                self.wakes.decided(transaction, user);
                Ok(Answered::Now(card))
            }
            Decided::Not(card) => Ok(Answered::Not(card)),
        }
    }

    /// `pending → denied` by nobody: the person cannot be reached, and the client does not want to wait for what may
    /// change. `false` when it is not pending any more.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn give_up(&self, transaction: &TransactionId, user: &UserId) -> Result<bool, StoreError> {
        let given_up = self.store.give_up(transaction, self.clock.now()).await?;
        if given_up {
            self.tally.count(Happened::Unreachable);
            self.wakes.decided(transaction, user);
        }
        Ok(given_up)
    }

    /// What is known of how the person proved who they are: out of the operator's table, never what was asked for.
    fn evidence(&self, by: By<'_>) -> Evidence {
        match by {
            By::Device(_) => self.authenticators.device_page.evidence(),
            By::Operator => Evidence::default(),
            By::Conformance => self.conformance.authenticator.evidence(),
            By::Plugin(name) => self.authenticators.plugins.get(name).map(Authenticator::evidence).unwrap_or_default(),
        }
    }

    /// Whether an approval on the device page proves less than is required, so that it does not count.
    pub fn page_is_too_weak(&self, card: &Card) -> bool {
        self.is_too_weak(&self.authenticators.device_page.evidence(), card)
    }

    /// Whether this is less than the client takes, or than a plugin required of this request.
    fn is_too_weak(&self, evidence: &Evidence, card: &Card) -> bool {
        if self.authenticators.order.is_empty() {
            return false;
        }
        let rank = |acr: &str| self.authenticators.order.iter().position(|known| known == acr);
        let required = card.request.particulars.as_ref().and_then(|particulars| particulars.acr_minimum.as_deref());
        // A minimum that is not in the list is met by nothing.
        [card.acr_minimum.as_deref(), required]
            .into_iter()
            .flatten()
            .any(|minimum| rank(minimum).is_none_or(|least| evidence.acr.as_deref().and_then(rank).is_none_or(|shown| shown < least)))
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
            self.tally.count(Happened::Reported);
            tracing::warn!(%transaction, %user, "a person says that this was not them.  do: find out who approved it, and talk to the client's owner");
            self.wakes.decided(transaction, user);
        }
        Ok(reported)
    }
}

impl By<'_> {
    pub(super) fn device(&self) -> Option<&Device> {
        match self {
            Self::Device(device) => Some(device),
            Self::Operator | Self::Conformance | Self::Plugin(_) => None,
        }
    }

    /// What stands in the history as the name of the device.
    fn name(&self) -> String {
        match self {
            Self::Device(device) => device.name.clone(),
            Self::Operator => "operator".to_owned(),
            Self::Conformance => SIMULATED.to_owned(),
            Self::Plugin(name) => format!("{BY_PLUGIN}{name}"),
        }
    }
}
