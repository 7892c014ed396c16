//! What stands in front of the host, and what it is believed.

use serde::{Deserialize, Serialize};

use crate::outbound::Networks;

/// `[proxy]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Where proxies connect from.
    pub addresses: Networks,
    /// Which header has the client's address.
    pub address_header: AddressHeader,
    /// Whether proxies set `Client-Cert` (RFC 9440), and take it away from what clients send.
    pub client_cert: bool,
}

/// Which header a proxy writes the client's address into. It lets the other one through as the client sent it, so only
/// one can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}
