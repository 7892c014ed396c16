//! Configuration: defaults, then the file, then the environment, parsed into types that cannot be wrong.
//!
//! `config.default.toml` is the documentation of every key and is compiled in; a test keeps it and these types the
//! same.

mod authenticators;
mod ciba;
mod conformance;
mod keys;
mod limits;
mod listen;
mod log;
mod notify;
mod outbound;
mod plugins;
mod proxy;
mod read;
mod registration;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod traces;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use self::notify::{NotifyConfig, Strategy};
use crate::outbound::Networks;
pub use authenticators::{Authenticator, Authenticators};
pub use ciba::{Ciba, LoginHintTokenIssuer};
pub use conformance::Conformance;
pub use keys::Keys;
pub use limits::LimitsConfig;
pub use listen::Listen;
use listen::{check_reach, check_url, is_loopback};
pub use log::{Log, LogFormat};
pub use outbound::Outbound;
pub use plugins::Plugins;
pub use proxy::{AddressHeader, Proxy};
pub use read::ConfigError;
pub use registration::Registration;
pub use tls::Tls;
pub use tokens::Tokens;
pub use traces::Traces;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Everything an operator can set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `iss`; empty means the public listener.
    pub issuer: String,
    /// The provider's name for people.
    pub name: String,
    /// Addresses.
    pub listen: Listen,
    /// The host's own TLS.
    pub tls: Tls,
    /// What stands in front.
    pub proxy: Proxy,
    /// The protocol's numbers.
    pub ciba: Ciba,
    /// Who may ask how often.
    pub limits: LimitsConfig,
    /// What tokens are like.
    pub tokens: Tokens,
    /// Clients that register themselves.
    pub registration: Registration,
    /// What tokens are signed with.
    pub keys: Keys,
    /// What is proved by an approval.
    pub authenticators: Authenticators,
    /// A program answers for people.
    pub conformance: Conformance,
    /// How devices are tried.
    pub notify: NotifyConfig,
    /// The plugin folder, and what plugins may do.
    pub plugins: Plugins,
    /// The door for outgoing HTTP.
    pub outbound: Outbound,
    /// The log.
    pub log: Log,
    /// Who is told where time goes.
    pub traces: Traces,
}

impl Config {
    /// Rules that join several keys, or a key and the world.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn check(&self) -> Result<(), (String, String)> {
        self.check_house().map_err(|(key, what)| (key.to_owned(), what))?;
        self.ciba.check().map_err(|(key, what)| (key.to_owned(), what))?;
        self.keys.check(&self.ciba).map_err(|(key, what)| (key.to_owned(), what))?;
        self.traces.check().map_err(|(key, what)| (key.to_owned(), what))?;
        self.registration.check().map_err(|(key, what)| (key.to_owned(), what))?;
        self.plugins.check()
    }

    fn check_house(&self) -> Result<(), (&'static str, String)> {
        if self.issuer.is_empty() {
            if !self.listen.public.ip().is_loopback() {
                return Err((
                    "issuer",
                    format!(
                        "must be set, because the public listener {} is not on loopback; write for example issuer = \"https://login.example.com\"",
                        self.listen.public
                    ),
                ));
            }
        } else {
            check_url(&self.issuer, self.tls.is_on()).map_err(|what| ("issuer", what))?;
            check_reach("public", self.listen.public, &self.issuer).map_err(|what| ("issuer", what))?;
        }
        if !self.listen.device_url.is_empty() {
            check_url(&self.listen.device_url, self.tls.is_on()).map_err(|what| ("listen.device_url", what))?;
        }
        if let Some(device) = self.listen.device {
            check_reach("device", device, &self.listen.device_url).map_err(|what| ("listen.device_url", what))?;
        }
        self.check_tls()?;
        self.conformance.check_registration(&self.registration)?;
        self.conformance.check(self.reached_from_outside().as_deref())
    }

    /// How others than this machine's programs may reach the endpoints of clients. A listener on loopback says nothing where
    /// something stands in front of it.
    fn reached_from_outside(&self) -> Option<String> {
        let Self { listen, proxy, .. } = self;
        let listener = [Some(listen.public), listen.mtls].into_iter().flatten().find(|listener| !listener.ip().is_loopback());
        let url = [("issuer", &self.issuer), ("listen.mtls_url", &listen.mtls_url)];
        let url = url.into_iter().find(|(_, url)| !url.is_empty() && !is_loopback(url));
        match (listener, url) {
            (Some(listener), _) => Some(format!("{listener} is not on loopback")),
            (None, Some((key, url))) => Some(format!("{key} is {url}, which is not on loopback")),
            (None, None) if proxy.addresses != Networks::default() => Some("proxy.addresses says that a proxy stands in front".to_owned()),
            (None, None) => None,
        }
    }

    fn check_tls(&self) -> Result<(), (&'static str, String)> {
        let Self { listen, tls, .. } = self;
        if tls.certificate.as_os_str().is_empty() != tls.key.as_os_str().is_empty() {
            let missing = if tls.is_on() { "tls.key" } else { "tls.certificate" };
            return Err((missing, "must be set too: a certificate and its key belong together".to_owned()));
        }
        if listen.mtls.is_some() && !tls.is_on() {
            return Err(("listen.mtls", "needs tls.certificate and tls.key: a client shows its certificate in TLS".to_owned()));
        }
        if !listen.mtls_url.is_empty() {
            check_url(&listen.mtls_url, true).map_err(|what| ("listen.mtls_url", what))?;
            if listen.mtls.is_none() && !self.proxy.client_cert {
                let what = "names an address at which nobody asks for certificates: set listen.mtls, or proxy.client_cert if a proxy does";
                return Err(("listen.mtls_url", what.to_owned()));
            }
        }
        if self.proxy.client_cert && self.proxy.addresses == Networks::default() {
            return Err(("proxy.addresses", "must say where the proxy connects from, because proxy.client_cert is set".to_owned()));
        }
        if self.proxy.client_cert && self.proxy.addresses.are_everything() {
            return Err((
                "proxy.addresses",
                "must not hold every address, because proxy.client_cert is set: anybody could be any client".to_owned(),
            ));
        }
        Ok(())
    }

    /// The address of the device page, where the listeners were bound to these.
    pub fn device_page(&self, public: SocketAddr, device: Option<SocketAddr>) -> String {
        let origin = match device {
            _ if !self.listen.device_url.is_empty() => self.listen.device_url.clone(),
            Some(device) => format!("{}://{device}", self.tls.scheme()),
            None => self.issuer(public),
        };
        format!("{origin}/device")
    }

    /// The issuer, where `public` is what the public listener was bound to.
    pub fn issuer(&self, public: SocketAddr) -> String {
        if self.issuer.is_empty() { format!("{}://{public}", self.tls.scheme()) } else { self.issuer.clone() }
    }

    /// Where clients that show a certificate find the endpoints, if they are asked for one anywhere (RFC 8705 5).
    pub fn mtls(&self, issuer: &str, mtls: Option<SocketAddr>) -> Option<String> {
        if !self.listen.mtls_url.is_empty() {
            return Some(self.listen.mtls_url.clone());
        }
        let mut url = url::Url::parse(issuer).ok()?;
        url.set_port(Some(mtls?.port())).ok()?;
        Some(url.as_str().trim_end_matches('/').to_owned())
    }
}
