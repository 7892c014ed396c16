//! Where plugins step in. Each hook has a file, which says how the answers of several make one; here stands what they
//! have in common: who is asked, in which order, and what it means that one failed.

mod decisions;
mod issue_tokens;
mod register_client;
mod resolve_hint;
mod review_decision;
mod review_request;
mod shape_introspection;
mod verify_user_code;

use super::{Flow, Refused};
use crate::protocol::plugin::Fail;
use crate::runtime::{CallFailure, Comparable, Hook, Turn, Urgency, Version};
pub(super) use issue_tokens::TokenChanges;
pub(super) use review_decision::Reviewed;

impl Flow {
    /// Who is asked at a hook about a transaction, in the operator's order; nobody, for the most part.
    pub(super) fn turns<H: Hook>(&self, transaction: &str) -> Option<Vec<Turn>> {
        self.runtime.catalog().turns::<H>(transaction)
    }

    /// The answer of whoever's turn it is, while a client or a person waits for it; none where only shadows are asked, and where
    /// it failed and the operator wrote that it is then as if it were not there (`fail = "open"`).
    ///
    /// # Errors
    /// It failed, and what it was asked about does not happen.
    pub(super) async fn ask<'t, H: Comparable>(&self, turn: &'t Turn, hook: H) -> Result<Option<(&'t Version, H::Answer)>, Refused> {
        let report = self.runtime.ask(turn, hook, Urgency::ClientWaits).await;
        let (Some(version), Some(report)) = (&turn.version, report) else { return Ok(None) };
        match report.result {
            Ok(answer) => Ok(Some((version, answer))),
            Err(failure) => failed::<H>(version, &failure).map(|()| None),
        }
    }
}

/// What it means that a plugin gave no answer that can be taken.
///
/// # Errors
/// What it was asked about does not happen.
fn failed<H: Hook>(version: &Version, failure: &CallFailure) -> Result<(), Refused> {
    let (plugin, hook) = (&version.name, H::NAME);
    match version.file.fail {
        Fail::Open => {
            tracing::warn!(%plugin, hook, %failure, "a plugin failed, and is passed over (fail = \"open\")");
            Ok(())
        }
        Fail::Closed => {
            tracing::error!(%plugin, hook, %failure, "a plugin failed, and what it was asked about did not happen.  do: see `ciba-host plugin log`, or write fail = \"open\" beside it");
            Err(Refused::Plugin)
        }
    }
}

/// The same of an answer that only shows to be none beside what else is known here.
///
/// # Errors
/// What it was asked about does not happen.
fn unusable<H: Hook>(version: &Version, failure: &CallFailure) -> Result<(), Refused> {
    version.shared.say_unusable(failure);
    failed::<H>(version, failure)
}
