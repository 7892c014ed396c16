//! Write interception plugins for `ciba-host` in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and one trait for each hook it serves, handed to
//! [`plugin!`]. That is all of it:
//!
//! ```no_run
//! use ciba_guest::{Description, Need, Notify, Outcome, Plugin, ScriptError, Transaction, inbox};
//! use ciba_guest::settings::NoSettings;
//!
//! struct Hello;
//!
//! impl Plugin for Hello {
//!     type Settings = NoSettings;
//!
//!     fn describe() -> Description {
//!         ciba_guest::description!("Says hello on the device page.").channel("inbox").needs(Need::Inbox)
//!     }
//! }
//!
//! impl Notify for Hello {
//!     fn notify(transaction: &Transaction, _: NoSettings) -> Result<Outcome, ScriptError> {
//!         inbox::put(transaction, Some("Hello"))?;
//!         Ok(Outcome::accepted(""))
//!     }
//! }
//!
//! ciba_guest::plugin!(Hello: notify);
//! ```
//!
//! What you can call: [`log`], [`settings`], [`secrets`], [`storage`], [`inbox`], [`decisions`], [`http`], [`clock`] and [`random`].
//! A component imports only what you use. What the operator has not allowed answers with a [`Refusal`], which `?` turns
//! into a [`ScriptError`].

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod allocator;
#[doc(hidden)]
pub mod bindings;
mod contract;
#[doc(hidden)]
pub mod hooks;

pub mod clock;
pub mod http;
pub mod inbound;
pub mod log;
pub mod random;
pub mod secrets;
pub mod settings;
pub mod storage;

pub use bindings::ciba::interception::{decisions, inbox};
pub use contract::{Description, Device, Event, Evidence, Need, Outcome, Problem, Reason, Refusal, ScriptError, Transaction};
pub use hooks::{
    IssueTokens, Notify, Observe, Plugin, RegisterClient, ResolveHint, ReviewDecision, ReviewRequest, ShapeIntrospection, VerifyUserCode,
    Withdraw,
};
pub use inbound::Inbound;
pub use secrets::Secret;

/// What the hook [`ResolveHint`] is told and answers.
pub mod resolve_hint {
    pub use crate::bindings::resolve_hint::exports::ciba::interception::resolve_hint::*;
}

/// What the hook [`VerifyUserCode`] is told and answers.
pub mod verify_user_code {
    pub use crate::bindings::verify_user_code::exports::ciba::interception::verify_user_code::*;
}

/// What the hook [`ReviewRequest`] is told and answers.
pub mod review_request {
    pub use crate::bindings::review_request::exports::ciba::interception::review_request::*;
}

/// What the hook [`ReviewDecision`] is told and answers.
pub mod review_decision {
    pub use crate::bindings::review_decision::exports::ciba::interception::review_decision::*;
}

/// What the hook [`IssueTokens`] is told and answers.
pub mod issue_tokens {
    pub use crate::bindings::issue_tokens::exports::ciba::interception::issue_tokens::*;
}

/// What the hook [`ShapeIntrospection`] is told and answers.
pub mod shape_introspection {
    pub use crate::bindings::shape_introspection::exports::ciba::interception::shape_introspection::*;
}

/// What the hook [`RegisterClient`] is told and answers.
pub mod register_client {
    pub use crate::bindings::register_client::exports::ciba::interception::register_client::*;
}
