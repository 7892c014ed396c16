//! `review-request`: look at a request before the person is asked.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::review_request as wit;
use super::{Comparable, Hook, Lent, Said, few};
use crate::protocol::binding_message::is_unshowable;
use crate::protocol::note::Note;

/// Asks whether, and how, the person is asked.
#[derive(Clone)]
pub struct ReviewRequest {
    /// The request.
    pub transaction: Arc<TransactionView>,
}

/// A change of what the person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// The least authentication context class of an approval.
    RequireAcr(String),
    /// A scope value that is not asked for.
    DropScope(String),
    /// In how many seconds the request expires at the latest.
    ExpireWithin(u32),
    /// What stands in a box of its own on the device page.
    Note(Note),
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// The person is asked.
    Ask(Vec<Adjustment>),
    /// Nobody is asked, and why.
    Refuse(String),
}

impl Hook for ReviewRequest {
    const NAME: &'static str = "review-request";
    type Answer = RequestVerdict;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<RequestVerdict, CallFailure>> {
        #[cfg(test)]
        if let Some(indices) = &plugin.hooks.review_request_2 {
            return second::call(self, plugin, store, instance, indices).await;
        }
        let Some(indices) = &plugin.hooks.review_request else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_review(&mut *store, lent.borrow()).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Ask(adjustments) => {
                few(adjustments)?.into_iter().map(|adjustment| read(plugin, adjustment)).collect::<Result<_, _>>().map(RequestVerdict::Ask)
            }
            wit::Verdict::Refuse(why) => Ok(RequestVerdict::Refuse(plugin.words(&why))),
            wit::Verdict::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for ReviewRequest {
    const NEUTRAL: &'static str = "ask";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        let adjustments = match answer {
            RequestVerdict::Refuse(why) => return Said::new("refuse").aside(why),
            RequestVerdict::Ask(adjustments) => adjustments,
        };
        // Of two notes the first counts.
        adjustments.iter().rev().fold(Said::new(Self::NEUTRAL), |said, adjustment| match adjustment {
            Adjustment::RequireAcr(acr) => said.shown(format!("require-acr {acr}"), ""),
            Adjustment::DropScope(scope) => said.shown(format!("drop-scope {scope}"), ""),
            Adjustment::ExpireWithin(seconds) => said.shown("expire-within", seconds.to_string()),
            Adjustment::Note(note) => said.hidden("note", note.as_str()),
        })
    }
}

fn read(plugin: &Callable, adjustment: wit::Adjustment) -> Result<Adjustment, CallFailure> {
    Ok(match adjustment {
        wit::Adjustment::RequireAcr(acr) => Adjustment::RequireAcr(named("an acr", acr)?),
        wit::Adjustment::DropScope(scope) => Adjustment::DropScope(named("a scope", scope)?),
        wit::Adjustment::ExpireWithin(seconds) => Adjustment::ExpireWithin(seconds),
        wit::Adjustment::Note(text) => Adjustment::Note(Note::parse(&text).map_err(CallFailure::Answer)?),
        wit::Adjustment::Other(what) => return Err(plugin.unknown(&what)),
    })
}

/// The longest acr or scope that is looked for, in bytes.
const NAME_BYTES: usize = 256;

/// What can be the name of something. It is compared, kept of a shadow, and shown to operators.
fn named(what: &str, name: String) -> Result<String, CallFailure> {
    if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(is_unshowable) {
        return Err(CallFailure::Answer(format!("named {what} that is empty, longer than {NAME_BYTES} bytes, or unreadable")));
    }
    Ok(name)
}

/// The same hook of the contract's second version, as far as there is one: for tests.
#[cfg(test)]
mod second {
    use super::super::exported_2::review_request as wit;
    use super::*;

    pub(super) async fn call(
        hook: ReviewRequest,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
        indices: &wit::GuestIndices,
    ) -> wasmtime::Result<Result<RequestVerdict, CallFailure>> {
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, hook.transaction)?;
        let said = guest.call_review(&mut *store, lent.borrow()).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Ask(wit::Question { note: None }) => Ok(RequestVerdict::Ask(Vec::new())),
            wit::Verdict::Ask(wit::Question { note: Some(text) }) => {
                Note::parse(&text).map(|note| RequestVerdict::Ask(vec![Adjustment::Note(note)])).map_err(CallFailure::Answer)
            }
            wit::Verdict::Refuse(why) => Ok(RequestVerdict::Refuse(plugin.words(&why))),
        }))
    }
}
