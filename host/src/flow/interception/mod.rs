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

use std::sync::Arc;

use super::{Flow, Refused};
use crate::protocol::plugin::Fail;
use crate::runtime::{CallFailure, Hook, Urgency, Version};
pub(super) use issue_tokens::TokenChanges;
pub(super) use review_decision::Reviewed;

impl Flow {
    /// Who serves a hook, in the operator's order; nobody, for the most part.
    pub(super) fn serving<H: Hook>(&self) -> Option<Arc<[Arc<Version>]>> {
        self.runtime.catalog().of_hook::<H>().map(Arc::clone)
    }

    /// One plugin's answer, while a client or a person waits for it; none where it failed and the operator wrote that it
    /// is then as if it were not there (`fail = "open"`).
    ///
    /// # Errors
    /// It failed, and what it was asked about does not happen.
    pub(super) async fn ask<H: Hook>(&self, version: &Arc<Version>, hook: H) -> Result<Option<H::Answer>, Refused> {
        match self.runtime.call(version, hook, Urgency::ClientWaits).await.result {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) => failed::<H>(version, &failure),
        }
    }
}

/// What it means that a plugin gave no answer that can be taken.
///
/// # Errors
/// What it was asked about does not happen.
fn failed<H: Hook>(version: &Version, failure: &CallFailure) -> Result<Option<H::Answer>, Refused> {
    let (plugin, hook) = (&version.name, H::NAME);
    match version.file.fail {
        Fail::Open => {
            tracing::warn!(%plugin, hook, %failure, "a plugin failed, and is passed over (fail = \"open\")");
            Ok(None)
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
    failed::<H>(version, failure).map(drop)
}
