//! `notify`: tell a device that a request waits for its person.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::limits::REFERENCE_BYTES;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::{Comparable, Hook, Lent, Said};

pub use super::exported::notify::Outcome;

/// Notifies `transaction.device`.
#[derive(Clone)]
pub struct Notify {
    /// The request, and the device.
    pub transaction: Arc<TransactionView>,
}

impl Hook for Notify {
    const NAME: &'static str = "notify";
    type Answer = Outcome;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Outcome, CallFailure>> {
        let Some(indices) = &plugin.hooks.notify else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_notify(&mut *store, lent.borrow()).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|outcome| bounded(plugin, outcome)))
    }
}

impl Comparable for Notify {
    const NEUTRAL: &'static str = "nobody notifies";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        // Its reference is its own.
        match answer {
            Outcome::Accepted(_) => Said::new("accepted"),
            Outcome::Throttled(after) => Said::new("throttled").shown("for", after.to_string()),
            Outcome::Retryable(after) => Said::new("retryable").shown("after", after.to_string()),
            Outcome::EndpointGone(_) => Said::new("endpoint-gone"),
            Outcome::EndpointSuspect => Said::new("endpoint-suspect"),
            Outcome::CredentialRejected(why) => Said::new("credential-rejected").aside(why),
            Outcome::PayloadRejected(why) => Said::new("payload-rejected").aside(why),
            Outcome::Other(what) => Said::new("other").aside(what),
        }
    }
}

/// The same outcome, if it is worth keeping. Explanations are cut, references are not: a part of one is of no use.
fn bounded(plugin: &Callable, outcome: Outcome) -> Result<Outcome, CallFailure> {
    Ok(match outcome {
        Outcome::Accepted(reference) if reference.len() > REFERENCE_BYTES => {
            let what = format!("accepted with a reference of {} bytes; at most {REFERENCE_BYTES} are kept", reference.len());
            return Err(CallFailure::Size(what));
        }
        Outcome::CredentialRejected(why) => Outcome::CredentialRejected(plugin.words(&why)),
        Outcome::PayloadRejected(why) => Outcome::PayloadRejected(plugin.words(&why)),
        Outcome::Other(what) => Outcome::Other(plugin.words(&what)),
        outcome => outcome,
    })
}

impl Outcome {
    /// The variant's name, with what it carries: the contract's own words.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Accepted(reference) => json!({ "accepted": reference }),
            Self::Throttled(after) => json!({ "throttled": after }),
            Self::Retryable(after) => json!({ "retryable": after }),
            Self::EndpointGone(since) => json!({ "endpoint-gone": since }),
            Self::EndpointSuspect => json!("endpoint-suspect"),
            Self::CredentialRejected(why) => json!({ "credential-rejected": why }),
            Self::PayloadRejected(why) => json!({ "payload-rejected": why }),
            Self::Other(what) => json!({ "other": what }),
        }
    }
}
