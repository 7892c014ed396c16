//! `shape-introspection`: shape what introspection says of a token.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::shape_introspection as wit;
use super::{Comparable, Hook, Lent, Said, few, member};

/// Asks what a resource server is told.
#[derive(Clone)]
pub struct ShapeIntrospection {
    /// The request that the token came of.
    pub transaction: Arc<TransactionView>,
    /// `client_id` of who asks.
    pub caller: String,
    /// The answer so far: a JSON object.
    pub members: String,
}

/// What a resource server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shaping {
    /// The answer, with these changes in their order.
    Answer(Vec<Shape>),
    /// That the token is not active.
    Inactive,
}

/// A change of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Sets a member.
    Set(String, Value),
    /// Leaves a member out.
    Remove(String),
}

impl Shape {
    /// Of what is changed twice the last counts.
    pub(super) fn said(verdict: &'static str, changes: &[Self]) -> Said {
        changes.iter().fold(Said::new(verdict), |said, change| match change {
            Self::Set(name, value) => said.hidden(name.clone(), value.to_string()),
            Self::Remove(name) => said.shown(name.clone(), "left out"),
        })
    }
}

impl Hook for ShapeIntrospection {
    const NAME: &'static str = "shape-introspection";
    type Answer = Shaping;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Shaping, CallFailure>> {
        let Some(indices) = &plugin.hooks.shape_introspection else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_shape(&mut *store, lent.borrow(), &self.caller, &self.members).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Answer(changes) => {
                few(changes)?.into_iter().map(|change| read(plugin, change)).collect::<Result<_, _>>().map(Shaping::Answer)
            }
            wit::Verdict::Inactive => Ok(Shaping::Inactive),
            wit::Verdict::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for ShapeIntrospection {
    const NEUTRAL: &'static str = "answer";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        match answer {
            Shaping::Inactive => Said::new("inactive"),
            Shaping::Answer(changes) => Shape::said(Self::NEUTRAL, changes),
        }
    }
}

fn read(plugin: &Callable, change: wit::Change) -> Result<Shape, CallFailure> {
    match change {
        wit::Change::Set((name, json)) => member(name, &json).map(|(name, value)| Shape::Set(name, value)),
        wit::Change::Remove(name) => Ok(Shape::Remove(name)),
        wit::Change::Other(what) => Err(plugin.unknown(&what)),
    }
}
