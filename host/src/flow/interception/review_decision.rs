//! `review-decision`: whether what the person answered counts.

use std::sync::Arc;

use super::super::Flow;
use super::super::decide::By;
use crate::protocol::identifier::{TransactionId, UserId};
use crate::protocol::note::Note;
use crate::protocol::plugin::PluginName;
use crate::protocol::transaction::{Decision, Evidence, State};
use crate::runtime::{DecisionVerdict, EvidenceView, ReviewDecision};
use crate::store::{Card, StoreError};

/// What all plugins together say of an answer.
#[derive(Debug)]
pub(in super::super) enum Reviewed {
    /// It counts.
    Stands,
    /// The request is denied by this plugin, whatever was answered.
    Denied(PluginName),
    /// It does not count, and the person is told what is missing.
    AskAgain(Box<Card>, Note),
    /// One of them failed: nobody knows whether it would count.
    Failed(Box<Card>),
    /// There is nothing to be decided any more, or there never was.
    Moot(Option<Box<Card>>),
}

impl Flow {
    /// Asks every plugin. What lets least happen counts: `deny`, then `ask-again` (the first one's words), then a failure,
    /// then `stand`. A failure takes nobody's denial away: nothing that a plugin could have said makes an approval of it.
    ///
    /// What they see is what is decided: nothing of a request changes while it is pending, and the swap that follows takes
    /// only one that still is.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub(in super::super) async fn review_decision(
        &self,
        transaction: &TransactionId,
        user: &UserId,
        decision: Decision,
        by: By<'_>,
        evidence: &Evidence,
    ) -> Result<Reviewed, StoreError> {
        let Some(turns) = self.turns::<ReviewDecision>(transaction.as_str()) else { return Ok(Reviewed::Stands) };
        let now = self.clock.now();
        let only_shadows = turns.iter().all(|turn| turn.version.is_none());
        let card = match self.store.card(user, transaction).await? {
            Some(card) if card.request.state(now) == State::Pending => Box::new(card),
            _ if only_shadows => return Ok(Reviewed::Stands),
            other => return Ok(Reviewed::Moot(other.map(Box::new))),
        };
        let parties = self.parties(&card.request).await?;
        let seen = EvidenceView {
            acr: evidence.acr.clone(),
            amr: evidence.amr.clone(),
            device_id: by.device().map(|device| device.id.0.clone()),
            at: u64::try_from(now.as_millisecond()).unwrap_or_default(),
        };
        let (mut denied, mut again, mut failed) = (None, None, false);
        for turn in &turns {
            let view = Arc::new(self.view(turn, &card.request, &parties, by.device()).await);
            match self.ask(turn, ReviewDecision { transaction: view, decision, evidence: seen.clone() }).await {
                Ok(None | Some((_, DecisionVerdict::Stand))) => {}
                Ok(Some((version, DecisionVerdict::Deny(why)))) => {
                    let plugin = &version.name;
                    tracing::info!(%transaction, %plugin, %why, ?decision, "a plugin denied a request that was answered");
                    denied.get_or_insert_with(|| plugin.clone());
                }
                Ok(Some((version, DecisionVerdict::AskAgain(note)))) => {
                    let plugin = &version.name;
                    tracing::info!(%transaction, %plugin, ?decision, "a plugin let an answer not count; the request waits on");
                    again.get_or_insert(note);
                }
                // It is logged where it was found out.
                Err(_) => failed = true,
            }
        }
        if only_shadows {
            return Ok(Reviewed::Stands);
        }
        // A phone that was taken away while plugins thought answers nothing any more.
        if let Some(device) = by.device()
            && !self.store.devices(user).await?.iter().any(|known| known.id == device.id)
        {
            return Ok(Reviewed::Moot(Some(card)));
        }
        Ok(match (denied, again) {
            (Some(plugin), _) => Reviewed::Denied(plugin),
            (None, Some(note)) => Reviewed::AskAgain(card, note),
            (None, None) if failed && decision == Decision::Approve => Reviewed::Failed(card),
            (None, None) => Reviewed::Stands,
        })
    }
}
