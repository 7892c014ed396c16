//! `decisions`: what plugins say that people decided.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::super::Flow;
use super::super::decide::{Answered, By};
use crate::protocol::transaction::State;
use crate::runtime::{Decider, DecisionOutcome, Submitted};

impl Decider for Flow {
    fn decide(self: Arc<Self>, submitted: Submitted) -> Pin<Box<dyn Future<Output = DecisionOutcome> + Send>> {
        Box::pin(async move { self.submitted(submitted).await })
    }
}

impl Flow {
    async fn submitted(&self, Submitted { plugin, transaction, user, decision }: Submitted) -> DecisionOutcome {
        let answered = Self::decide(self, &transaction, &user, decision, By::Plugin(&plugin), None).await;
        match answered {
            Ok(Answered::Now(_)) => {
                tracing::info!(%transaction, %plugin, ?decision, "a plugin submitted a decision");
                DecisionOutcome::Counted
            }
            Ok(Answered::AskAgain(_, note)) => DecisionOutcome::AskAgain(note.into_text()),
            Ok(Answered::Not(Some(card))) if card.request.state(self.clock.now()) == State::Pending => {
                DecisionOutcome::AskAgain("it proves less than this request needs (acr)".to_owned())
            }
            Ok(Answered::Not(_)) => {
                // Without what it calls it: that may be anything, also what only the client may know.
                tracing::info!(%plugin, "a plugin submitted a decision about a request that is not pending, or not that person's");
                DecisionOutcome::NotPending
            }
            Ok(Answered::Unreviewed(_)) => DecisionOutcome::AskAgain("a plugin that reviews decisions failed".to_owned()),
            Err(error) => {
                tracing::error!(%plugin, %error, "a decision that a plugin submitted was not taken");
                DecisionOutcome::Other("the host's store does not answer".to_owned())
            }
        }
    }
}
