//! An OpenID Provider for CIBA whose interception scripts are WebAssembly components.
//!
//! The library is a house of rooms, and this is the order to walk through them:
//!
//! 1. [`protocol`] has the words: what a client may ask, the states a request goes through, everything that can be
//!    answered. It does no I/O; [`clock`] is where time and randomness come from.
//! 2. [`store`] keeps the truth, one transaction for each verb. Its trait reads like a list of all that can happen.
//! 3. [`runtime`] takes plugins from the folder and calls them, each call in a fresh instance and within limits.
//! 4. [`flow`] is the story that combines them: start, decide, redeem.
//! 5. [`delivery`] does afterwards what must still happen outside: it notifies the person's devices.
//! 6. [`http`] has the doors, one file for each endpoint. [`outbound`] is the one door that leads out. [`tls`] has the
//!    certificates of both, [`traces`] follow a request through all of them.
//! 7. [`cli`] has the commands; `cli/serve.rs` puts the house together from a [`config`] and the keys of [`jose`].
//!
//! `host/ARCHITECTURE.md` says who may import whom and why, and follows three requests from door to door.

pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod flow;
pub mod http;
pub mod jose;
pub mod outbound;
pub mod protocol;
pub mod runtime;
pub mod store;
pub mod tls;
pub mod traces;
