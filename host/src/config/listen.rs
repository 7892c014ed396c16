//! Where the host listens, and the addresses it is known by.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `[listen]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// For clients.
    pub public: SocketAddr,
    /// For the device page, where it is not on `public`.
    #[serde(with = "maybe_address")]
    pub device: Option<SocketAddr>,
    /// Where people reach the device page; empty for the issuer or the device listener.
    pub device_url: String,
    /// For the console and the admin API.
    pub admin: SocketAddr,
    /// For plugins' inbound HTTP.
    #[serde(with = "maybe_address")]
    pub plugins: Option<SocketAddr>,
    /// For clients that show a certificate.
    #[serde(with = "maybe_address")]
    pub mtls: Option<SocketAddr>,
    /// Where they reach it; empty for the issuer's host and the port of `mtls`.
    pub mtls_url: String,
    /// Further names the listeners answer to.
    pub hosts: Vec<String>,
}

/// An issuer is an https URL without query and fragment (OpenID Connect Discovery 3); http is for loopback, where the
/// host does not speak TLS itself.
pub(super) fn check_url(issuer: &str, only_https: bool) -> Result<(), String> {
    let url = url::Url::parse(issuer).map_err(|error| format!("`{issuer}` is not a URL: {error}"))?;
    let loopback = url.host_str().is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    if url.scheme() != "https" && (only_https || url.scheme() != "http" || !loopback) {
        return Err(format!("`{issuer}` must begin with https://"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" || issuer.ends_with('/') {
        return Err(format!("`{issuer}` must be scheme and host only, for example https://login.example.com"));
    }
    Ok(())
}

/// What is reached over a network is reached by https.
pub(super) fn check_reach(what: &str, listener: SocketAddr, url: &str) -> Result<(), String> {
    if listener.ip().is_loopback() || url.starts_with("https://") {
        return Ok(());
    }
    Err(format!("must begin with https://, because the {what} listener {listener} is not on loopback"))
}

mod maybe_address {
    use std::net::SocketAddr;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| D::Error::custom(format!("`{text}` is not an address: write for example 127.0.0.1:8080")))
    }
}
