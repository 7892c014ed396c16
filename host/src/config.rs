//! Configuration: defaults, then the file, then the environment, parsed into types that cannot be wrong.
//!
//! `config.default.toml` is the documentation of every key and is compiled in; a test keeps it and these types the
//! same.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::outbound::Networks;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::client::{DeliveryMode, FapiProfile};
use crate::protocol::hint::HintSubject;
use crate::protocol::identifier::ClientId;
use crate::protocol::plugin::{Permissions, PluginName, check_origin};
use crate::protocol::scope::Scope;
use crate::protocol::spelling::meant;
use crate::protocol::transaction::Evidence;
use crate::runtime::CallLimits;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../config.default.toml");
/// How variables of the environment begin.
const ENVIRONMENT: &str = "CIBA_HOST_";

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
}

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

/// `[tls]`. Paths are relative to the data directory; empty ones name nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Who vouches for clients' certificates, in PEM.
    pub client_authorities: PathBuf,
}

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

/// `[ciba]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ciba {
    /// Seconds.
    pub expires_in: u32,
    /// Seconds.
    pub expires_in_max: u32,
    /// Seconds.
    pub interval: u32,
    /// Seconds.
    pub long_poll: u32,
    /// Characters.
    pub binding_message_characters: usize,
    /// Days.
    pub id_token_hint_days: u32,
    /// Whether nobody is told who is known here.
    pub hide_unknown_users: bool,
    /// Resources that any client may ask tokens for (RFC 8707).
    pub resources: Vec<String>,
    /// Who may name people in a `login_hint_token`.
    pub login_hint_token_issuers: Vec<LoginHintTokenIssuer>,
    /// Seconds.
    pub access_token_expires_in: u32,
    /// Seconds.
    pub id_token_expires_in: u32,
    /// Hours.
    pub keep_hours: u32,
    /// Hours.
    pub push_hours: u32,
}

/// `[registration]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Whether clients may register themselves at all (RFC 7591).
    pub enabled: bool,
    /// Whether they may without an initial access token.
    pub open: bool,
    /// The delivery modes they may have.
    pub modes: Vec<DeliveryMode>,
    /// What they may ask for where they do not say; empty for anything.
    pub scope: String,
    /// The profile that all of them keep to.
    #[serde(with = "maybe_profile")]
    pub fapi_profile: Option<FapiProfile>,
}

/// `[[ciba.login_hint_token_issuers]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginHintTokenIssuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Or the file they are in, relative to the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// What names the person in tokens without `sub_id`.
    pub subject: HintSubject,
}

/// `[limits]`. 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Requests that one client starts.
    pub requests_per_client_minute: u32,
    /// Requests that reach one person.
    pub requests_per_user_minute: u32,
    /// Those of one client.
    pub requests_per_pair_minute: u32,
    /// Requests that wait for one person at the same time.
    pub pending_per_user: u32,
    /// Wrong credentials, and registrations.
    pub failures_per_address_minute: u32,
    /// Wrong credentials of one client from one address, and wrong codes of one person from one client.
    pub lockout_failures: u32,
    /// The longest lockout.
    pub lockout_minutes: u32,
}

impl LimitsConfig {
    /// The limits that are off, or higher than where nobody says anything, in words.
    pub fn relaxed(&self) -> Vec<String> {
        let defaults = Self::default();
        let each = [
            ("requests_per_client_minute", self.requests_per_client_minute, defaults.requests_per_client_minute),
            ("requests_per_user_minute", self.requests_per_user_minute, defaults.requests_per_user_minute),
            ("requests_per_pair_minute", self.requests_per_pair_minute, defaults.requests_per_pair_minute),
            ("pending_per_user", self.pending_per_user, defaults.pending_per_user),
            ("failures_per_address_minute", self.failures_per_address_minute, defaults.failures_per_address_minute),
            ("lockout_failures", self.lockout_failures, defaults.lockout_failures),
        ];
        let relaxed = each.into_iter().filter(|(_, set, default)| *set == 0 || set > default);
        relaxed.map(|(name, set, default)| format!("limits.{name} = {set} instead of {default}")).collect()
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            requests_per_client_minute: 6000,
            requests_per_user_minute: 10,
            requests_per_pair_minute: 5,
            pending_per_user: 10,
            failures_per_address_minute: 60,
            lockout_failures: 5,
            lockout_minutes: 15,
        }
    }
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// One key for each of these.
    pub algorithms: Vec<JwsAlgorithm>,
    /// Days; 0 for never.
    pub rotate_days: u32,
    /// Hours.
    pub overlap_hours: u32,
    /// Days.
    pub keep_days: u32,
}

/// `[tokens]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Days.
    pub refresh_days: u32,
    /// Whether DPoP proofs need a nonce of ours.
    pub dpop_nonces: bool,
}

/// `[authenticators]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticators {
    /// Authentication contexts, the weakest first.
    pub order: Vec<String>,
    /// What an approval on a device page proves.
    pub device_page: Authenticator,
}

/// What an approval proves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticator {
    /// Authentication context class; empty for none.
    pub acr: String,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
}

impl Authenticator {
    /// As it stands in tokens.
    pub fn evidence(&self) -> Evidence {
        Evidence { acr: Some(self.acr.clone()).filter(|acr| !acr.is_empty()), amr: self.amr.clone() }
    }
}

/// `[conformance]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformance {
    /// Whether a program may answer.
    pub automated_approval: bool,
    /// For requests of these clients.
    pub clients: Vec<ClientId>,
    /// And of every client that registered itself.
    pub registered_clients: bool,
    /// A word in the address that nobody guesses.
    pub secret_path: String,
    /// What its approvals prove.
    pub authenticator: Authenticator,
}

impl Conformance {
    /// Where a program answers, if it may.
    pub fn address(&self) -> Option<String> {
        let secret = if self.secret_path.is_empty() { String::new() } else { format!("/{}", self.secret_path) };
        self.automated_approval.then(|| format!("/conformance{secret}/decide"))
    }

    fn check(&self, listeners: &[SocketAddr]) -> Result<(), (&'static str, String)> {
        if !self.automated_approval {
            return Ok(());
        }
        if self.clients.is_empty() && !self.registered_clients {
            return Err(("conformance.clients", "must name the clients whose requests a program may answer".to_owned()));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !self.secret_path.chars().all(word) {
            return Err(("conformance.secret_path", "has letters, digits, `-` and `_` only".to_owned()));
        }
        let reached = listeners.iter().find(|listener| !listener.ip().is_loopback());
        match reached {
            Some(listener) if self.secret_path.len() < 32 => {
                Err(("conformance.secret_path", format!("must have at least 32 characters, because {listener} is not on loopback")))
            }
            _ => Ok(()),
        }
    }
}

/// `[notify]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Which devices are told.
    pub strategy: Strategy,
    /// Channels in the order they are tried.
    pub channels: Vec<String>,
}

/// Which of a user's devices are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// All of them.
    All,
    /// One after the other, until one is reached.
    FirstAccepted,
}

/// `[plugins]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugins {
    /// Relative to the data directory.
    pub folder: PathBuf,
    /// Whether instances are reset the faster way, where that is safe.
    pub pagemap_scan: bool,
    /// For every plugin.
    pub limits: CallLimits,
    /// For single plugins: what their tables say, laid over `limits`.
    pub limits_of: HashMap<PluginName, CallLimits>,
    /// What single plugins may do.
    pub allow: HashMap<PluginName, Permissions>,
}

/// `[outbound]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Networks that are not public and may be reached.
    pub private_networks: Networks,
    /// Further authorities that are believed, in PEM; relative to the data directory.
    pub certificate_authorities: PathBuf,
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A tracing filter.
    pub filter: String,
    /// For whom.
    pub format: LogFormat,
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// What is wrong with the configuration, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct ConfigError {
    /// File and line, or the variable.
    pub at: String,
    /// What is wrong, and what was meant.
    pub what: String,
}

impl Config {
    /// Reads `path`, if it exists, over the defaults, and the environment over both.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // Where not even the directory is one, whoever makes it has more to say.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => String::new(),
            Err(error) => return Err(ConfigError { at: shown, what: format!("cannot be read: {error}") }),
        };
        let mut merged = defaults();
        let file: toml::Table = toml::from_str(&text).map_err(|error| located(&shown, &text, &error))?;
        merge(&mut merged, file);
        let from_file = Self::from_table(merged.clone()).map_err(|error| find(&shown, &text, &error))?;
        let mut overridden = false;
        for (name, value) in environment {
            // Where the data directory is stands outside the configuration, which lies in it.
            let Some(path) = name.strip_prefix(ENVIRONMENT).filter(|path| *path != "DATA") else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            set(&mut merged, &keys, &value);
            Self::from_table(merged.clone()).map_err(|error| ConfigError { at: name, what: explain(&error) })?;
            overridden = true;
        }
        let config = if overridden { Self::from_table(merged).map_err(|error| find(&shown, &text, &error))? } else { from_file };
        config.check().map_err(|(key, what)| ConfigError { at: format!("{shown}: {key}"), what })?;
        Ok(config)
    }

    fn from_table(mut table: toml::Table) -> Result<Self, toml::de::Error> {
        lay_limits(&mut table);
        table.try_into()
    }

    /// Rules that join several keys, or a key and the world.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn check(&self) -> Result<(), (String, String)> {
        self.check_house().map_err(|(key, what)| (key.to_owned(), what))?;
        self.ciba.check_hints().map_err(|(key, what)| (key.to_owned(), what))?;
        self.keys.check(&self.ciba).map_err(|(key, what)| (key.to_owned(), what))?;
        self.registration.check().map_err(|(key, what)| (key.to_owned(), what))?;
        self.plugins.limits.check().map_err(|what| ("plugins.limits".to_owned(), what))?;
        for (name, limits) in &self.plugins.limits_of {
            limits.check().map_err(|what| (format!("plugins.limits_of.{name}"), what))?;
        }
        for (name, allowed) in &self.plugins.allow {
            allowed.http.iter().try_for_each(|origin| check_origin(origin)).map_err(|what| (format!("plugins.allow.{name}"), what))?;
        }
        Ok(())
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
        let reached = [Some(self.listen.public), self.listen.mtls].into_iter().flatten().collect::<Vec<_>>();
        self.conformance.check(&reached)?;
        if self.ciba.expires_in == 0 || self.ciba.expires_in > self.ciba.expires_in_max {
            return Err(("ciba.expires_in", format!("must be between 1 and ciba.expires_in_max, which is {}", self.ciba.expires_in_max)));
        }
        if self.ciba.push_hours == 0 {
            return Err(("ciba.push_hours", "must be at least 1".to_owned()));
        }
        Ok(())
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

impl Registration {
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.modes.is_empty() {
            return Err(("registration.modes", "must name poll, ping or push".to_owned()));
        }
        if self.scope.is_empty() {
            return Ok(());
        }
        Scope::parse(&self.scope).map(drop).map_err(|error| ("registration.scope", error.description.into_owned()))
    }
}

impl Ciba {
    fn check_hints(&self) -> Result<(), (&'static str, String)> {
        for resource in &self.resources {
            if url::Url::parse(resource).is_err() || resource.contains('#') {
                return Err(("ciba.resources", format!("`{resource}` is not an absolute URI without a fragment")));
            }
        }
        for (number, one) in self.login_hint_token_issuers.iter().enumerate() {
            let wrong = |what: String| Err(("ciba.login_hint_token_issuers", format!("`{}` {what}", one.issuer)));
            if one.issuer.is_empty() || self.login_hint_token_issuers[..number].iter().any(|other| other.issuer == one.issuer) {
                return wrong("must be named, and only once".to_owned());
            }
            match (&one.jwks_uri, &one.jwks_file) {
                (Some(uri), None) if !uri.starts_with("https://") => return wrong(format!("has a jwks_uri that is not https: `{uri}`")),
                (Some(_), None) | (None, Some(_)) => {}
                _ => return wrong("must have either jwks_uri or jwks_file".to_owned()),
            }
        }
        Ok(())
    }
}

impl Keys {
    fn check(&self, ciba: &Ciba) -> Result<(), (&'static str, String)> {
        let known = |alg: &JwsAlgorithm| JwsAlgorithm::ASYMMETRIC.contains(alg);
        let once = |alg: &JwsAlgorithm| self.algorithms.iter().filter(|other| *other == alg).count() == 1;
        // Tokens of clients that chose nothing are signed in ES256.
        if !self.algorithms.iter().all(|alg| known(alg) && once(alg)) || !self.algorithms.contains(&JwsAlgorithm::Es256) {
            return Err(("keys.algorithms", "must name ES256, and may name PS256, RS256 and EdDSA, each once".to_owned()));
        }
        let tokens = ciba.access_token_expires_in.max(ciba.id_token_expires_in);
        if u64::from(self.overlap_hours) * 3600 < u64::from(tokens) {
            return Err(("keys.overlap_hours", format!("must be at least as long as tokens live, which is {tokens} seconds")));
        }
        // PROTOCOL 3: the key of the oldest hint that is taken signed last when that hint was made.
        let needed = u64::from(ciba.id_token_hint_days) * 86_400 + u64::from(ciba.id_token_expires_in);
        if u64::from(self.keep_days) * 86_400 < needed {
            let days = needed.div_ceil(86_400);
            return Err((
                "keys.keep_days",
                format!("must be at least {days}: as long as ciba.id_token_hint_days and ID tokens' own lifetime"),
            ));
        }
        Ok(())
    }
}

impl Tls {
    /// Whether the host speaks TLS itself.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    fn scheme(&self) -> &'static str {
        if self.is_on() { "https" } else { "http" }
    }
}

/// An issuer is an https URL without query and fragment (OpenID Connect Discovery 3); http is for loopback, where the
/// host does not speak TLS itself.
fn check_url(issuer: &str, only_https: bool) -> Result<(), String> {
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
fn check_reach(what: &str, listener: SocketAddr, url: &str) -> Result<(), String> {
    if listener.ip().is_loopback() || url.starts_with("https://") {
        return Ok(());
    }
    Err(format!("must begin with https://, because the {what} listener {listener} is not on loopback"))
}

fn defaults() -> toml::Table {
    DEFAULTS.parse().expect("the default configuration is TOML, which a test checks")
}

/// Lays `over` on `table`, key by key.
fn merge(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(over)) => merge(table, over),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

/// Lays what is said of single plugins over what is said of all. What is no table at all is said by whoever reads it.
fn lay_limits(table: &mut toml::Table) {
    let Some(plugins) = table.get_mut("plugins").and_then(toml::Value::as_table_mut) else { return };
    let Some(limits) = plugins.get("limits").and_then(toml::Value::as_table).cloned() else { return };
    let Some(single) = plugins.get_mut("limits_of").and_then(toml::Value::as_table_mut) else { return };
    for over in single.iter_mut().filter_map(|(_, over)| over.as_table_mut()) {
        let own = std::mem::replace(over, limits.clone());
        merge(over, own);
    }
}

/// Puts a variable where its name says. It is TOML where it reads as TOML of the kind that stands there, and text
/// otherwise.
fn set(table: &mut toml::Table, keys: &[String], text: &str) {
    let Some((key, rest)) = keys.split_first() else { return };
    if !rest.is_empty() {
        let inner = table.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let toml::Value::Table(inner) = inner {
            set(inner, rest, text);
        }
        return;
    }
    let is_text = matches!(table.get(key), None | Some(toml::Value::String(_)));
    let parsed = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = parsed.filter(|_| !is_text).unwrap_or_else(|| toml::Value::String(text.to_owned()));
    table.insert(key.clone(), value);
}

/// A syntax error with its line.
fn located(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    ConfigError { at: format!("{path}:{line}"), what: explain(error) }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// An error in the merged table, which has no lines: the same error is looked for in the file by the key's name.
fn find(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let what = explain(error);
    // serde says: ... in `listen.public`
    let whole = error.to_string();
    let in_path = whole.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(path, _)| path.to_owned());
    let key = quoted(error.message())
        .filter(|_| error.message().starts_with("unknown field"))
        .or_else(|| in_path.as_deref().and_then(|path| path.rsplit('.').next().map(str::to_owned)));
    let line = key.as_deref().and_then(|key| text.lines().position(|line| names(line, key)));
    ConfigError { at: line.map_or_else(|| path.to_owned(), |line| format!("{path}:{}", line + 1)), what }
}

/// Whether this line gives `key` a value, or opens a table that ends in it.
fn names(line: &str, key: &str) -> bool {
    let line = line.trim();
    let table =
        line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(path, _)| path.rsplit('.').next().unwrap_or(path).trim());
    let assigned = line.split_once('=').map(|(name, _)| name.rsplit('.').next().unwrap_or(name).trim());
    table == Some(key) || assigned == Some(key)
}

/// What serde says, with what was probably meant instead of the list of all that could have been.
fn explain(error: &toml::de::Error) -> String {
    let message = error.message();
    if let Some(unknown) = quoted(message).filter(|_| message.starts_with("unknown field")) {
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        return match meant(&unknown, known.iter().copied()) {
            Some(meant) => format!("unknown key `{unknown}`; did you mean `{meant}`?"),
            None => format!("unknown key `{unknown}`; there are {}", known.join(", ")),
        };
    }
    let whole = error.to_string();
    let key =
        whole.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(path, _)| format!("`{path}`: ")).unwrap_or_default();
    format!("{key}{message}")
}

/// The first word in backquotes.
fn quoted(message: &str) -> Option<String> {
    message.split('`').nth(1).map(str::to_owned)
}

mod maybe_profile {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::protocol::client::FapiProfile;

    pub(super) fn serialize<S: Serializer>(profile: &Option<FapiProfile>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(profile.map(FapiProfile::as_str).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FapiProfile>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = FapiProfile::ALL.into_iter().find(|profile| profile.as_str() == text);
        if known.is_none() && !text.is_empty() {
            return Err(D::Error::custom(format!("`{text}` is not a profile: write fapi_ciba_id1, fapi_ciba_fapi2, or nothing")));
        }
        Ok(known)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ciba.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(&path, environment)
            .map_err(|error| ConfigError { at: error.at.replace(&path.display().to_string(), "ciba.toml"), ..error })
    }

    #[test]
    fn the_default_file_holds_every_key_and_no_other() {
        let config = load("", &[]).unwrap();
        let written = toml::Table::try_from(&config).unwrap();
        assert_eq!(written, defaults());
        assert_eq!(config.limits, LimitsConfig::default());
    }

    #[test]
    fn the_file_wins_over_the_defaults_and_the_environment_over_both() {
        let file = "name = 'Bank'\n[ciba]\ninterval = 2\nexpires_in = 60\n[plugins.allow.inbox]\ninbox = true";
        let config =
            load(file, &[("CIBA_HOST_CIBA__INTERVAL", "3"), ("CIBA_HOST_NAME", "7"), ("CIBA_HOST_DATA", "d"), ("OTHER", "x")]).unwrap();
        assert_eq!((config.name.as_str(), config.ciba.interval, config.ciba.expires_in), ("7", 3, 60));
        assert!(config.plugins.allow[&PluginName::parse("inbox").unwrap()].inbox);
    }

    #[test]
    fn what_is_said_of_one_plugin_is_laid_over_what_is_said_of_all() {
        let file = "[plugins.limits]\ncpu_ms = 50\nconcurrency = 4\n[plugins.limits_of.webhook]\ncpu_ms = 70\nwall_ms = 9000";
        let plugins = load(file, &[("CIBA_HOST_PLUGINS__LIMITS__LOG_LINES", "7")]).unwrap().plugins;
        let expected = CallLimits { cpu_ms: 70, wall_ms: 9_000, concurrency: 4, log_lines: 7, ..CallLimits::default() };
        assert_eq!(plugins.limits_of[&PluginName::parse("webhook").unwrap()], expected);
    }

    #[test]
    fn with_tls_every_address_begins_with_https_and_the_one_for_certificates_has_its_own_port() {
        let (public, other) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let on = "[tls]\ncertificate = 'a'\nkey = 'b'\n";
        for (text, issuer, device_page, mtls) in [
            ("", "http://127.0.0.1:1", "http://127.0.0.1:2/device", None),
            (on, "https://127.0.0.1:1", "https://127.0.0.1:2/device", None),
            (
                &format!("{on}[listen]\nmtls = '127.0.0.1:0'"),
                "https://127.0.0.1:1",
                "https://127.0.0.1:2/device",
                Some("https://127.0.0.1:3"),
            ),
            (
                &format!("issuer = 'https://login.example'\n{on}[listen]\nmtls = '127.0.0.1:0'"),
                "https://login.example",
                "https://127.0.0.1:2/device",
                Some("https://login.example:3"),
            ),
            (
                &format!("{on}[listen]\nmtls = '127.0.0.1:0'\nmtls_url = 'https://mtls.example'"),
                "https://127.0.0.1:1",
                "https://127.0.0.1:2/device",
                Some("https://mtls.example"),
            ),
        ] {
            let config = load(text, &[]).unwrap();
            let bound = config.listen.mtls.map(|_| "127.0.0.1:3".parse().unwrap());
            let found = (config.issuer(public), config.device_page(public, Some(other)), config.mtls(&config.issuer(public), bound));
            assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_deref()), (issuer, device_page, mtls), "{text}");
        }
    }

    #[test]
    fn a_limit_that_is_off_or_higher_is_relaxed() {
        let limits = load("[limits]\npending_per_user = 0\nlockout_failures = 6\nrequests_per_user_minute = 3", &[]).unwrap().limits;
        assert_eq!(limits.relaxed(), ["limits.pending_per_user = 0 instead of 10", "limits.lockout_failures = 6 instead of 5"]);
        assert!(LimitsConfig::default().relaxed().is_empty());
    }

    #[test]
    fn an_error_says_which_line_which_key_and_what_was_meant() {
        for (text, at, what) in [
            ("name = 'x'\nisuer = 'y'", "ciba.toml:2", "unknown key `isuer`; did you mean `issuer`?"),
            ("[ciba]\nexpires = 5", "ciba.toml:2", "unknown key `expires`"),
            ("[cyba]\ninterval = 5", "ciba.toml:1", "did you mean `ciba`?"),
            ("name = ", "ciba.toml:1", ""),
            ("name = 'x'\n[ciba]\ninterval = 'soon'", "ciba.toml:3", "interval"),
            ("[listen]\ndevice = 'here'", "ciba.toml:2", "127.0.0.1:8080"),
            ("[listen]\npublic = '0.0.0.0:80'", "ciba.toml: issuer", "must be set"),
            ("issuer = 'http://login.example.com'", "ciba.toml: issuer", "https://"),
            ("issuer = 'http://127.0.0.1:8080'\n[listen]\npublic = '0.0.0.0:8080'", "ciba.toml: issuer", "not on loopback"),
            ("issuer = 'https://a.example'\n[listen]\ndevice = '0.0.0.0:8082'", "ciba.toml: listen.device_url", "not on loopback"),
            ("issuer = 'https://login.example.com/'", "ciba.toml: issuer", "scheme and host only"),
            ("[tls]\ncertificate = 'a.pem'", "ciba.toml: tls.key", "belong together"),
            ("[tls]\nkey = 'a.key'", "ciba.toml: tls.certificate", "belong together"),
            ("issuer = 'http://127.0.0.1:1'\n[tls]\ncertificate = 'a'\nkey = 'b'", "ciba.toml: issuer", "https://"),
            ("[listen]\nmtls = '127.0.0.1:0'", "ciba.toml: listen.mtls", "tls.certificate"),
            ("[listen]\nmtls_url = 'https://mtls.example'", "ciba.toml: listen.mtls_url", "nobody asks"),
            ("[listen]\nmtls_url = 'http://localhost:1'\n[proxy]\nclient_cert = true", "ciba.toml: listen.mtls_url", "https://"),
            ("[proxy]\nclient_cert = true", "ciba.toml: proxy.addresses", "proxy.client_cert"),
            ("[proxy]\nclient_cert = true\naddresses = ['10.0.0.0/8', '::/0']", "ciba.toml: proxy.addresses", "any client"),
            ("[proxy]\naddress_header = 'x-real-ip'", "ciba.toml:2", "x-forwarded-for"),
            ("[outbound]\nprivate_networks = ['10/8']", "ciba.toml:2", "not a network"),
            ("[keys]\nalgorithms = ['PS256']", "ciba.toml: keys.algorithms", "must name ES256"),
            ("[keys]\nalgorithms = ['ES256', 'HS256']", "ciba.toml: keys.algorithms", "PS256, RS256 and EdDSA"),
            ("[keys]\nalgorithms = ['ES256', 'ES256']", "ciba.toml: keys.algorithms", "each once"),
            ("[keys]\nalgorithms = ['ES512']", "ciba.toml:2", "ES512"),
            ("[registration]\nmodes = []", "ciba.toml: registration.modes", "poll, ping or push"),
            ("[registration]\nmodes = ['pull']", "ciba.toml:2", "pull"),
            ("[registration]\nscope = 'payments'", "ciba.toml: registration.scope", "openid"),
            ("[registration]\nfapi_profile = 'fapi'", "ciba.toml:2", "fapi_ciba_id1"),
            ("[keys]\nkeep_days = 90", "ciba.toml: keys.keep_days", "must be at least 91"),
            ("[ciba]\nid_token_hint_days = 91", "ciba.toml: keys.keep_days", "must be at least 92"),
            ("[keys]\noverlap_hours = 0", "ciba.toml: keys.overlap_hours", "600 seconds"),
            ("[plugins.limits]\nwall_ms = 0", "ciba.toml: plugins.limits", "wall_ms must be at least 1"),
            ("[plugins.limits_of.a]\nconcurrency = 0", "ciba.toml: plugins.limits_of.a", "concurrency must be at least 1"),
            ("[plugins.limits_of.a]\nmemory_mib = 5000", "ciba.toml: plugins.limits_of.a", "memory_mib is 5000; at most 4096"),
            ("[plugins.limits_of.a]\nwal_ms = 5", "ciba.toml:2", "did you mean `wall_ms`?"),
            ("[plugins.allow.a]\nhttp = ['https://A.example:443/']", "ciba.toml: plugins.allow.a", "write https://a.example"),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.what.contains(what), "{text}: {error}");
        }
        let error = load("", &[("CIBA_HOST_CIBA__INTERVAL", "soon")]).unwrap_err();
        assert_eq!(error.at, "CIBA_HOST_CIBA__INTERVAL");
    }
}
