//! The hooks: one file for each, with what the plugin is told, what it may answer, and how it is called.
//!
//! An answer is the contract's own, bounded: texts are cut, and a word of a later version of the contract is a failure
//! with a name. What several answers make together is decided in `flow/interception`.

mod incoming_handler;
mod issue_tokens;
mod notify;
mod observe;
mod register_client;
mod resolve_hint;
mod review_decision;
mod review_request;
mod shape_introspection;
mod verify_user_code;
mod withdraw;

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre, Resource};

pub use self::notify::{Notify, Outcome};
pub use incoming_handler::Inbound;
pub use issue_tokens::{Issuance, IssueTokens, Occasion};
pub use observe::{Observe, ObservedEvent};
pub use register_client::{RegisterClient, Registering, Registration};
pub use resolve_hint::{HintKind, Resolution, ResolveHint};
pub use review_decision::{DecisionVerdict, ReviewDecision};
pub use review_request::{Adjustment, RequestVerdict, ReviewRequest};
pub use shape_introspection::{Shape, ShapeIntrospection, Shaping};
pub use verify_user_code::{CodeVerdict, VerifyUserCode};
pub use withdraw::{Withdraw, WithdrawReason};

use super::contract::ciba::interception::refusals::ScriptError;
use super::contract::exports::ciba::interception as exported;
#[cfg(test)]
use super::contract_2::exports::ciba::interception2_0_0 as exported_2;
use super::guest::{Guest, TransactionHandle};
use super::shape::Exported;
use super::transaction::TransactionView;
use super::version::{CallFailure, Callable};

/// What is told to a plugin at one hook. Whoever has one hands it to [`super::Runtime::call`].
pub trait Hook: Send + 'static {
    /// The interface that a plugin exports for it.
    const NAME: &'static str;
    /// What a plugin answers.
    type Answer: Send + 'static;

    /// Calls it in an instance that exists.
    fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Answer, CallFailure>>> + Send;
}

macro_rules! hooks {
    ($($(#[$when:meta])? $field:ident: $exported:ident::$module:ident, $name:literal, $version:literal;)+) => {
        /// Where a component has its hooks, for those it serves.
        #[derive(Default)]
        pub(super) struct Hooks {
            pub(super) incoming_handler: Option<incoming_handler::GuestIndices>,
            $($(#[$when])? pub(super) $field: Option<$exported::$module::GuestIndices>,)+
        }

        /// Every hook of the contract, with each major version of it that this host knows.
        const ALL: &[(&str, u64)] = &[$($(#[$when])? ($name, $version)),+];
        /// Whatever is called, also what is not ours: a plugin that is called by HTTP.
        pub(super) const CALLED: &[&str] = &[Inbound::NAME, $($(#[$when])? $name),+];

        impl Hooks {
            /// Those among `exported`.
            pub(super) fn of(pre: &InstancePre<Guest>, exported: &Exported) -> wasmtime::Result<Self> {
                let has = |hook: &str, major: u64| exported.versions.iter().any(|(name, version)| name == hook && *version == major);
                let inbound = exported.hooks.iter().any(|name| name == Inbound::NAME);
                let incoming_handler = inbound.then(|| incoming_handler::GuestIndices::new(pre)).transpose()?;
                Ok(Self {
                    incoming_handler,
                    $($(#[$when])? $field: has($name, $version).then(|| $exported::$module::GuestIndices::new(pre)).transpose()?,)+
                })
            }

            /// Finds every one of them in an instance: a function that is missing or has another shape shows here.
            pub(super) fn load(&self, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()> {
                if let Some(indices) = &self.incoming_handler {
                    indices.load(&mut *store, instance)?;
                }
                $($(#[$when])? if let Some(indices) = &self.$field {
                    indices.load(&mut *store, instance)?;
                })+
                Ok(())
            }
        }
    };
}

hooks! {
    issue_tokens: exported::issue_tokens, "issue-tokens", 1;
    notify: exported::notify, "notify", 1;
    observe: exported::observe, "observe", 1;
    register_client: exported::register_client, "register-client", 1;
    resolve_hint: exported::resolve_hint, "resolve-hint", 1;
    review_decision: exported::review_decision, "review-decision", 1;
    review_request: exported::review_request, "review-request", 1;
    #[cfg(test)] review_request_2: exported_2::review_request, "review-request", 2;
    shape_introspection: exported::shape_introspection, "shape-introspection", 1;
    verify_user_code: exported::verify_user_code, "verify-user-code", 1;
    withdraw: exported::withdraw, "withdraw", 1;
}

/// Every hook of the contract.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    names.dedup();
    names
}

/// The major versions in which this host knows a hook; none where there is no such hook.
pub(super) fn versions(hook: &str) -> Vec<u64> {
    ALL.iter().filter(|(name, _)| *name == hook).map(|(_, version)| *version).collect()
}

/// Where it stands in [`CALLED`]. Asked while the program is compiled, which fails for what does not stand there.
pub(super) const fn place_of(hook: &str) -> usize {
    let mut place = 0;
    while !is_same(CALLED[place].as_bytes(), hook.as_bytes()) {
        place += 1;
    }
    place
}

/// `==`, which cannot be asked for while the program is compiled.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

/// A transaction that a guest has for the length of one call.
struct Lent {
    handle: Resource<TransactionHandle>,
}

impl Lent {
    fn new(store: &mut Store<Guest>, transaction: Arc<TransactionView>) -> wasmtime::Result<Self> {
        let handle = store.data_mut().table.push(TransactionHandle(transaction))?;
        Ok(Self { handle: Resource::new_own(handle.rep()) })
    }

    fn borrow(&self) -> Resource<TransactionHandle> {
        Resource::new_borrow(self.handle.rep())
    }

    fn take_back(self, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        store.data_mut().table.delete(self.handle)?;
        Ok(())
    }
}

impl ScriptError {
    /// The same in other words.
    fn map(self, words: impl Fn(String) -> String) -> Self {
        match self {
            Self::Settings(why) => Self::Settings(words(why)),
            Self::Temporary(why) => Self::Temporary(words(why)),
            Self::Other(why) => Self::Other(words(why)),
        }
    }
}

impl Callable {
    /// What a hook said instead of an answer.
    fn failed(&self, error: ScriptError) -> CallFailure {
        match error {
            ScriptError::Settings(why) => CallFailure::Settings(self.words(&why)),
            ScriptError::Temporary(why) => CallFailure::Temporary(self.words(&why)),
            ScriptError::Other(why) => CallFailure::Script(self.words(&why)),
        }
    }

    /// An answer that only a later version of the contract has.
    fn unknown(&self, what: &str) -> CallFailure {
        CallFailure::Answer(format!("answered `{}`, which this host does not know", self.words(what)))
    }
}

/// The most members that an answer may change.
const CHANGES_MAX: usize = 64;
/// The longest value of one member, as JSON, in bytes.
const VALUE_BYTES: usize = 16 << 10;

/// One member that a plugin sets.
fn member(name: String, json: &str) -> Result<(String, serde_json::Value), CallFailure> {
    if name.is_empty() || name.len() > 128 || name.chars().any(crate::protocol::binding_message::is_unshowable) {
        return Err(CallFailure::Answer("named a member with an empty, long or unreadable name".to_owned()));
    }
    if json.len() > VALUE_BYTES {
        return Err(CallFailure::Size(format!("gave `{name}` a value of {} bytes; at most {VALUE_BYTES} are taken", json.len())));
    }
    match serde_json::from_str(json) {
        Ok(value) => Ok((name, value)),
        Err(error) => Err(CallFailure::Answer(format!("gave `{name}` a value that is not JSON: {error}"))),
    }
}

/// Whether a list of changes is of a length that is taken.
fn few<T>(changes: Vec<T>) -> Result<Vec<T>, CallFailure> {
    if changes.len() <= CHANGES_MAX {
        return Ok(changes);
    }
    Err(CallFailure::Size(format!("answered with {} changes; at most {CHANGES_MAX} are taken", changes.len())))
}
