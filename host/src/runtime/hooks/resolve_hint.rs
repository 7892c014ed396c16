//! `resolve-hint`: say who is meant.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::resolve_hint as wit;
use super::{Comparable, Hook, Lent, Said};

pub use wit::HintKind;

/// The longest name of a person that is looked up, in bytes.
const PERSON_BYTES: usize = 1024;

/// Asks who is meant by a hint.
#[derive(Clone)]
pub struct ResolveHint {
    /// The request, which has no person yet.
    pub transaction: Arc<TransactionView>,
    /// What kind of hint it is.
    pub kind: HintKind,
    /// Its text.
    pub hint: String,
}

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The plugin knows nothing of such hints.
    NotMine,
    /// Whoever the host knows by this.
    Person(String),
    /// Certainly nobody.
    Nobody,
}

impl Hook for ResolveHint {
    const NAME: &'static str = "resolve-hint";
    type Answer = Resolution;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Resolution, CallFailure>> {
        let Some(indices) = &plugin.hooks.resolve_hint else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_resolve(&mut *store, lent.borrow(), &self.kind, &self.hint).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|resolution| match resolution {
            wit::Resolution::NotMine => Ok(Resolution::NotMine),
            wit::Resolution::Person(person) if person.len() > PERSON_BYTES => {
                Err(CallFailure::Size(format!("named a person with {} bytes; at most {PERSON_BYTES} are looked up", person.len())))
            }
            wit::Resolution::Person(person) => Ok(Resolution::Person(person)),
            wit::Resolution::Nobody => Ok(Resolution::Nobody),
            wit::Resolution::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for ResolveHint {
    const NEUTRAL: &'static str = "not-mine";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        match answer {
            Resolution::NotMine => Said::new(Self::NEUTRAL),
            Resolution::Person(person) => Said::new("person").hidden("who", person),
            Resolution::Nobody => Said::new("nobody"),
        }
    }
}
