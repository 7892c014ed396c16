//! Why a file was not taken: a stable word, what is wrong, and what to do.

use serde::{Deserialize, Serialize};

use super::shared::one_line;

/// See the module. `docs/errors.md` explains every word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable word.
    pub word: String,
    /// What is wrong and what was expected.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Refusal {
    /// `what` may quote the plugin, so it is made one line that can be shown.
    pub(super) fn new(word: &str, what: impl AsRef<str>, fix: impl Into<String>) -> Self {
        Self { word: word.to_owned(), what: one_line(what.as_ref()), fix: fix.into() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]: {}.  do: {}", self.word, self.what, self.fix)
    }
}

impl std::error::Error for Refusal {}
