//! What the rooms say to each other about plugins. The components themselves live in `runtime/`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A plugin's name: the stem of its file, everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PluginName(String);

impl PluginName {
    /// Letters, digits, `-` and `_`, at most 64: it is a file name, a path segment and a log field.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` cannot be a plugin's name: use letters, digits, - and _, at most 64", text.escape_debug()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PluginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of an artefact, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArtefactDigest(pub String);

impl ArtefactDigest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        Self(digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The first four characters, enough to tell versions apart on a screen.
    pub fn short(&self) -> &str {
        self.0.get(..4).unwrap_or(&self.0)
    }
}

/// What an operator has allowed a plugin. Nothing, unless they said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Origins it may send HTTP requests to, for example `https://push.example.com`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<String>,
    /// Whether it may put messages on the device page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inbox: bool,
    /// Whether it may make one-time links.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub links: bool,
    /// Whether it may keep values.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub storage: bool,
    /// Whether it may see every device of the person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub devices: bool,
    /// The secrets among its settings that it may read in clear: JSON Pointers, for example `/token`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub reveal: BTreeSet<String>,
    /// Whether it may be called by HTTP, on the plugins' own origin.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inbound: bool,
    /// Whether it may submit decisions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub decide: bool,
}

impl Permissions {
    /// What either allows.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            http: self.http.union(&other.http).cloned().collect(),
            inbox: self.inbox || other.inbox,
            links: self.links || other.links,
            storage: self.storage || other.storage,
            devices: self.devices || other.devices,
            reveal: self.reveal.union(&other.reveal).cloned().collect(),
            inbound: self.inbound || other.inbound,
            decide: self.decide || other.decide,
        }
    }

    /// What this allows and `taken` does not.
    pub fn without(&self, taken: &Self) -> Self {
        Self {
            http: self.http.difference(&taken.http).cloned().collect(),
            inbox: self.inbox && !taken.inbox,
            links: self.links && !taken.links,
            storage: self.storage && !taken.storage,
            devices: self.devices && !taken.devices,
            reveal: self.reveal.difference(&taken.reveal).cloned().collect(),
            inbound: self.inbound && !taken.inbound,
            decide: self.decide && !taken.decide,
        }
    }

    /// The options of `ciba-host plugin allow` that would allow exactly this; empty when there is nothing. `*` stands in
    /// the settings, which only the operator knows: a word to be replaced, and none that a shell would.
    pub fn as_options(&self) -> String {
        let mut options: Vec<String> =
            self.http.iter().map(|origin| format!("--http {}", if origin == "*" { "ORIGIN" } else { origin })).collect();
        options.extend(self.inbox.then(|| "--inbox".to_owned()));
        options.extend(self.links.then(|| "--links".to_owned()));
        options.extend(self.storage.then(|| "--storage".to_owned()));
        options.extend(self.devices.then(|| "--devices".to_owned()));
        options.extend(self.reveal.iter().map(|pointer| format!("--reveal {pointer}")));
        options.extend(self.inbound.then(|| "--inbound".to_owned()));
        options.extend(self.decide.then(|| "--decide".to_owned()));
        options.join(" ")
    }

    /// What `asked` asks for that this does not allow. `*` in `asked.http` is met by any origin.
    pub fn missing(&self, asked: &Self) -> Self {
        let mut missing = asked.without(self);
        if !self.http.is_empty() {
            missing.http.remove("*");
        }
        missing
    }
}

/// What the operator wrote beside the file, in `name.toml`. It can ask, never grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginFile {
    /// Whether its answers count.
    pub mode: Mode,
    /// Lower numbers come first; equal ones in the order of their names.
    pub order: i32,
    /// What it means that it failed where an answer of its decides.
    pub fail: Fail,
    /// Whether an instance of it serves one call or many.
    pub instances: Lifetime,
    /// The most warm instances at the same time.
    pub warm_instances: u32,
    /// The most calls of one of them.
    pub warm_calls: u32,
    /// How long one of them serves, in seconds.
    pub warm_seconds: u32,
    /// Settings for the plugin; its `describe` has the schema.
    pub settings: toml::Table,
    /// What it asks the operator to allow.
    pub asks: Permissions,
}

/// What becomes of a plugin's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They count.
    Enforce,
    /// It is asked beside those whose answers count, and its own are only compared with theirs.
    Shadow,
    /// It is not asked. Its file stays.
    Off,
}

/// What the failure of a plugin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fail {
    /// What it was asked about does not happen.
    Closed,
    /// It is as if it had not been there.
    Open,
}

/// How long an instance of a plugin lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// For one call: nothing of it is there in the next.
    Fresh,
    /// For many, one after the other: whatever the plugin keeps in memory leaks from one person's call into the next.
    Warm,
}

impl Default for PluginFile {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            order: 100,
            fail: Fail::Closed,
            instances: Lifetime::Fresh,
            warm_instances: 4,
            warm_calls: 1_000,
            warm_seconds: 600,
            settings: toml::Table::new(),
            asks: Permissions::default(),
        }
    }
}

/// The longest origin, in bytes: that of a name of 253 characters, and some room.
const ORIGIN_MAX: usize = 300;

/// Whether this is an origin, nothing else, and written as those of requests are: in lower case, without the port that
/// is the scheme's own. Another spelling would be allowed and never met.
pub fn is_origin(text: &str) -> bool {
    text.len() <= ORIGIN_MAX && is_plain_origin(text) && url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

/// Stricter than URLs are: what a plugin asks for is shown to the operator as part of a command, and must not be one
/// of its own.
fn is_plain_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, port.parse::<u16>().is_ok()),
        _ => (authority, true),
    };
    let name = |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let number = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|inside| inside.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'))
    };
    matches!(scheme, "http" | "https") && port && (name(host) || number(host))
}

/// Whether this is a JSON Pointer (RFC 6901) that a command can be made of: what a plugin asks for is shown to the operator
/// as part of one.
pub fn is_plain_pointer(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    text.starts_with('/') && text.len() <= 200 && text.bytes().all(plain)
}

/// Checks an origin that is to be allowed.
///
/// # Errors
/// What was expected.
pub fn check_origin(origin: &str) -> Result<(), String> {
    if is_origin(origin) {
        return Ok(());
    }
    // Whatever else it is, the place where one was expected is named by whoever asks.
    let meant = url::Url::parse(origin).map(|url| url.origin().ascii_serialization()).ok().filter(|meant| is_origin(meant));
    let write = meant.unwrap_or_else(|| "for example https://push.example.com, without a path".to_owned());
    Err(format!("`{origin}` is not an origin: write {write}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_nothing_but_an_origin() {
        for origin in ["https://push.example.com", "http://127.0.0.1:8080", "https://[::1]:8443", "https://[2001:db8::1]"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "*",
            "https://",
            "push.example.com",
            "ftp://a",
            "https://a/",
            "https://a:b",
            "https://a b",
            "https://$(id)",
            "https://a;id",
            "https://a`id`",
            "https://a'",
            "https://a\n",
            "https://[::1",
            "https://é.example",
            "https://A.example",
            "HTTPS://a.example",
            "https://a.example:443",
            "http://a.example:80",
            "https://a.example:08443",
            "https://[2001:DB8::1]",
            &format!("https://{}.example", "a".repeat(300)),
        ] {
            assert!(!is_origin(other), "{other}");
        }
        for (other, meant) in [("https://A.example:443/", "https://a.example"), ("http://a.example:8080/b", "http://a.example:8080")] {
            assert!(check_origin(other).unwrap_err().ends_with(&format!("write {meant}")), "{other}");
        }
    }

    #[test]
    fn a_pointer_is_nothing_that_a_shell_would_read() {
        for pointer in ["/token", "/keys/0", "/a~1b/c_d.e-f"] {
            assert!(is_plain_pointer(pointer), "{pointer}");
        }
        for other in ["", "token", "/a b", "/$(id)", "/a;id", "/a`id`", "/a'", "/a\"", "/a\n", "/é", &format!("/{}", "a".repeat(200))] {
            assert!(!is_plain_pointer(other), "{other}");
        }
    }

    #[test]
    fn what_is_missing_is_said_as_the_command_that_allows_it() {
        let http = |origins: &[&str]| origins.iter().map(|origin| (*origin).to_owned()).collect();
        let asked = Permissions { http: http(&["https://a.example", "https://b.example"]), inbox: true, ..Permissions::default() };
        let allowed = Permissions { http: http(&["https://a.example"]), links: true, ..Permissions::default() };
        assert_eq!(allowed.missing(&asked).as_options(), "--http https://b.example --inbox");
        let anything = Permissions { http: http(&["*"]), ..Permissions::default() };
        assert_eq!(allowed.missing(&anything).as_options(), "");
        assert_eq!(anything.as_options(), "--http ORIGIN");
    }

    #[test]
    fn a_name_is_a_plain_word() {
        for name in ["", "a/b", "..", "a b", "é", &"x".repeat(65)] {
            assert!(PluginName::parse(name).is_err(), "{name:?}");
        }
        assert!(PluginName::parse("web-push_2").is_ok());
    }
}
