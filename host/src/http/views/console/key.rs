//! The provider's signing keys.

use serde::Serialize;

use super::super::moment::Moment;

/// `GET /keys`.
#[derive(Clone, Debug, Serialize)]
pub struct Keys {
    pub keys: Vec<Key>,
}

/// One key, without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// `ES256`.
    pub alg: &'static str,
    pub kid: String,
    pub state: KeyState,
    pub since: Moment,
    /// Made elsewhere, and replaced by whoever made it.
    pub imported: bool,
    /// What happens to it next, if that is known.
    pub next: Option<NextChange>,
}

/// What a key is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Published, and not used.
    Next,
    /// Signs.
    Active,
    /// Signs no more.
    Retired,
}

/// What a key does next: "signs", "leaves the JWKS".
#[derive(Clone, Debug, Serialize)]
pub struct NextChange {
    pub what: &'static str,
    pub at: Moment,
}

impl KeyState {
    fn word(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

impl Key {
    pub(super) fn word(&self) -> &'static str {
        self.state.word()
    }

    /// Why there is nothing to expect.
    pub(super) fn without_next(&self) -> &'static str {
        if self.imported { "made elsewhere: import its successor" } else { "stays until it is rotated by command" }
    }
}
