//! `review-request`: look at a request before the person is asked.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::review_request as wit;
use super::{Hook, Lent, few};
use crate::protocol::note::Note;

/// Asks whether, and how, the person is asked.
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

fn read(plugin: &Callable, adjustment: wit::Adjustment) -> Result<Adjustment, CallFailure> {
    Ok(match adjustment {
        wit::Adjustment::RequireAcr(acr) => Adjustment::RequireAcr(acr),
        wit::Adjustment::DropScope(scope) => Adjustment::DropScope(scope),
        wit::Adjustment::ExpireWithin(seconds) => Adjustment::ExpireWithin(seconds),
        wit::Adjustment::Note(text) => Adjustment::Note(Note::parse(&text).map_err(CallFailure::Answer)?),
        wit::Adjustment::Other(what) => return Err(plugin.unknown(&what)),
    })
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
