//! `register-client`: look at a client that registers or changes itself.

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::version::{CallFailure, Callable};
use super::exported::register_client as wit;
use super::{Comparable, Hook, Said, Shape, few, member};

/// Asks whether a client may register so.
#[derive(Clone)]
pub struct RegisterClient {
    /// What it does.
    pub occasion: Registering,
    /// What it sent: a JSON object.
    pub metadata: String,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registering {
    /// It registers.
    Create,
    /// It replaces its registration: its `client_id`.
    Update(String),
}

/// Whether it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It may, with these changes in their order.
    Register(Vec<Shape>),
    /// It may not, and what it is told.
    Refuse(String),
}

impl Hook for RegisterClient {
    const NAME: &'static str = "register-client";
    type Answer = Registration;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<Registration, CallFailure>> {
        let Some(indices) = &plugin.hooks.register_client else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let why = match self.occasion {
            Registering::Create => wit::Occasion::Create,
            Registering::Update(id) => wit::Occasion::Update(id),
        };
        let said = guest.call_review(&mut *store, &why, &self.metadata).await?;
        Ok(said.map_err(|error| plugin.failed(error)).and_then(|verdict| match verdict {
            wit::Verdict::Register(changes) => {
                few(changes)?.into_iter().map(|change| read(plugin, change)).collect::<Result<_, _>>().map(Registration::Register)
            }
            wit::Verdict::Refuse(why) => Ok(Registration::Refuse(plugin.words(&why))),
            wit::Verdict::Other(what) => Err(plugin.unknown(&what)),
        }))
    }
}

impl Comparable for RegisterClient {
    const NEUTRAL: &'static str = "register";

    fn about(&self) -> Option<&str> {
        match &self.occasion {
            Registering::Create => None,
            Registering::Update(id) => Some(id),
        }
    }

    fn said(answer: &Self::Answer) -> Said {
        match answer {
            // The client is told why.
            Registration::Refuse(why) => Said::new("refuse").shown("because", why),
            Registration::Register(changes) => Shape::said(Self::NEUTRAL, changes),
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
