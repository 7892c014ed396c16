//! `observe`: be told what happened.

use wasmtime::Store;
use wasmtime::component::{Instance, Resource};

use super::super::guest::{EventHandle, Guest};
use super::super::version::{CallFailure, Callable};
use super::{Comparable, Hook, Said};

/// Tells of one event.
#[derive(Clone)]
pub struct Observe {
    /// The event.
    pub event: ObservedEvent,
}

/// Something that happened, as a plugin is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedEvent {
    /// The same at every try, and greater for what came later.
    pub id: u64,
    /// What, in the contract's words.
    pub kind: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The request it is about.
    pub transaction_id: String,
    /// `client_id` of the client.
    pub client_id: String,
    /// The person's `sub`.
    pub user_id: Option<String>,
}

impl Hook for Observe {
    const NAME: &'static str = "observe";
    type Answer = ();

    async fn call(self, plugin: &Callable, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<Result<(), CallFailure>> {
        let Some(indices) = &plugin.hooks.observe else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let event = store.data_mut().table.push(EventHandle(self.event))?;
        let event: Resource<EventHandle> = Resource::new_own(event.rep());
        let said = guest.call_observe(&mut *store, Resource::new_borrow(event.rep())).await?;
        store.data_mut().table.delete(event)?;
        Ok(said.map_err(|error| plugin.failed(error)))
    }
}

impl Comparable for Observe {
    const NEUTRAL: &'static str = "heard";

    fn about(&self) -> Option<&str> {
        Some(&self.event.transaction_id)
    }

    fn said((): &Self::Answer) -> Said {
        Said::new(Self::NEUTRAL)
    }
}
