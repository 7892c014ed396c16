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
//! What you can call: [`log`], [`settings`], [`inbox`], [`http`], [`clock`] and [`random`]. A component
//! imports only what you use. What the operator has not allowed answers with a [`Refusal`], which `?` turns
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
pub mod log;
pub mod random;
pub mod settings;

pub use bindings::ciba::interception::inbox;
pub use contract::{Description, Device, Need, Outcome, Problem, Reason, Refusal, ScriptError, Transaction};
pub use hooks::{Notify, Plugin, Withdraw};
