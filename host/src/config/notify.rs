//! How devices are tried.

use serde::{Deserialize, Serialize};

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
