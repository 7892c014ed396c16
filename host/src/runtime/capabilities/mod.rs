//! What the host does for plugins that asks more of it than the call's own state: one file for each capability.
//!
//! Each is linked for everybody, asks for its permission when it is called, and refuses with a value.

mod apns;
mod credentials;
mod decisions;
mod drafts;
mod google;
mod inbox;
mod kept;
mod keyvalue;
mod secrets;
mod storage;
mod unwritten;
mod vapid;
mod webhook_signature;

use std::sync::{Arc, OnceLock};

use crate::clock::Clock;
use crate::store::Store;
pub(super) use decisions::Deciding;
pub use decisions::{Decider, Submitted};
pub(super) use kept::{HandedOut, KeptCredentials};
pub(super) use unwritten::Unwritten;

/// What capabilities work with, the same for every call of every plugin.
pub(super) struct House {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// Where there is a flow around the plugins: not when one is tried alone.
    pub(super) deciding: OnceLock<Deciding>,
}
