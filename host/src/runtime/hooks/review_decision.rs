//! `review-decision`: look at what the person answered, before it counts.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Instance, Resource};

use super::super::guest::{EvidenceHandle, Guest};
use super::super::transaction::{EvidenceView, TransactionView};
use super::super::version::{CallFailure, Callable};
use super::exported::review_decision as wit;
use super::{Comparable, Hook, Lent, Said};
use crate::protocol::note::Note;
use crate::protocol::transaction::Decision;

/// Asks whether a decision counts.
#[derive(Clone)]
pub struct ReviewDecision {
    /// The request.
    pub transaction: Arc<TransactionView>,
    /// What was answered.
    pub decision: Decision,
    /// What is known of how.
    pub evidence: EvidenceView,
}

/// Whether it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionVerdict {
    /// It counts.
    Stand,
    /// The request is denied, and why.
    Deny(String),
    /// It does not count; what the person is told is missing.
    AskAgain(Note),
}

impl Hook for ReviewDecision {
    const NAME: &'static str = "review-decision";
    type Answer = DecisionVerdict;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<DecisionVerdict, CallFailure>> {
        let Some(indices) = &plugin.hooks.review_decision else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let evidence = store.data_mut().table.push(EvidenceHandle(self.evidence))?;
        let evidence: Resource<EvidenceHandle> = Resource::new_own(evidence.rep());
        let answer = match self.decision {
            Decision::Approve => wit::Decision::Approve,
            Decision::Deny => wit::Decision::Deny,
        };
        let said = guest.call_review(&mut *store, lent.borrow(), &answer, Resource::new_borrow(evidence.rep())).await?;
        store.data_mut().table.delete(evidence)?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Stand => Ok(DecisionVerdict::Stand),
            wit::Verdict::Deny(why) => Ok(DecisionVerdict::Deny(plugin.words(&why))),
            wit::Verdict::AskAgain(text) => Note::parse(&text).map(DecisionVerdict::AskAgain).map_err(CallFailure::Answer),
            wit::Verdict::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for ReviewDecision {
    const NEUTRAL: &'static str = "stand";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        match answer {
            DecisionVerdict::Stand => Said::new(Self::NEUTRAL),
            DecisionVerdict::Deny(why) => Said::new("deny").aside(why),
            DecisionVerdict::AskAgain(note) => Said::new("ask-again").hidden("what", note.as_str()),
        }
    }
}
