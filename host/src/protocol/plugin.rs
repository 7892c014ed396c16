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
}

impl Permissions {
    /// What either allows.
    pub fn union(&self, other: &Self) -> Self {
        Self { http: self.http.union(&other.http).cloned().collect(), inbox: self.inbox || other.inbox, links: self.links || other.links }
    }

    /// The options of `ciba-host plugin allow` that would allow exactly this; empty when there is nothing. `*` stands in
    /// the settings, which only the operator knows: a word to be replaced, and none that a shell would.
    pub fn as_options(&self) -> String {
        let mut options: Vec<String> =
            self.http.iter().map(|origin| format!("--http {}", if origin == "*" { "ORIGIN" } else { origin })).collect();
        options.extend(self.inbox.then(|| "--inbox".to_owned()));
        options.extend(self.links.then(|| "--links".to_owned()));
        options.join(" ")
    }

    /// What `asked` asks for that this does not allow. `*` in `asked.http` is met by any origin.
    pub fn missing(&self, asked: &Self) -> Self {
        Self {
            http: asked
                .http
                .iter()
                .filter(|origin| if *origin == "*" { self.http.is_empty() } else { !self.http.contains(*origin) })
                .cloned()
                .collect(),
            inbox: asked.inbox && !self.inbox,
            links: asked.links && !self.links,
        }
    }
}

/// What the operator wrote beside the file, in `name.toml`. It can ask, never grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginFile {
    /// `false` takes the plugin out of service while its file stays.
    pub enabled: bool,
    /// Lower numbers come first; equal ones in the order of their names.
    pub order: i32,
    /// Settings for the plugin; its `describe` has the schema.
    pub settings: toml::Table,
    /// What it asks the operator to allow.
    pub asks: Permissions,
}

impl Default for PluginFile {
    fn default() -> Self {
        Self { enabled: true, order: 100, settings: toml::Table::new(), asks: Permissions::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_as_the_command_that_allows_it() {
        let http = |origins: &[&str]| origins.iter().map(|origin| (*origin).to_owned()).collect();
        let asked = Permissions { http: http(&["https://a.example", "https://b.example"]), inbox: true, links: false };
        let allowed = Permissions { http: http(&["https://a.example"]), inbox: false, links: true };
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
