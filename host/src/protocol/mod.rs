//! OAuth, OpenID Connect and CIBA as types and rules. No I/O; `now` is an argument.
//!
//! Read [`backchannel`] for what a client may ask, [`transaction`] for the states a request goes through,
//! [`pace`] for how fast it may be polled, [`rate`] for how often anything may be done, [`tokens`] for what it gets,
//! and [`error`] for everything it can be told instead.

pub mod added_claims;
pub mod algorithm;
pub mod amount;
pub mod backchannel;
pub mod binding_message;
pub mod certificate;
pub mod claims;
pub mod client;
pub mod discovery;
pub mod distinguished_name;
pub mod dpop;
pub mod error;
pub mod fapi;
pub mod form;
pub mod hint;
pub mod holder;
pub mod identifier;
pub mod note;
pub mod notification;
pub mod pace;
pub mod plugin;
pub mod rate;
pub mod request_object;
pub mod scope;
pub mod spelling;
pub mod tokens;
pub mod transaction;
pub mod user;

/// The CIBA grant type (CIBA Core 4).
pub const GRANT_TYPE_CIBA: &str = "urn:openid:params:grant-type:ciba";
/// The refresh grant type (RFC 6749 6).
pub const GRANT_TYPE_REFRESH: &str = "refresh_token";
