//! An OpenID Provider for CIBA whose interception scripts are WebAssembly components.

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
