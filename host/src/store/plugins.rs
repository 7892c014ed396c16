//! The plugins that serve, and what plugins keep.

use jiff::Timestamp;

use crate::protocol::plugin::{ArtefactDigest, PluginName};

/// A plugin version that serves.
#[derive(Clone, Debug)]
pub struct ActivePlugin {
    /// The plugin.
    pub name: PluginName,
    /// Its component.
    pub artefact: ArtefactDigest,
    /// The text of `name.toml` it was accepted with; empty when there is none.
    pub file: String,
    /// Since when.
    pub since: Timestamp,
}

/// What a plugin keeps under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptValue {
    /// The bytes.
    pub value: Vec<u8>,
    /// No other write of this plugin has the same.
    pub version: u64,
}

/// On what a write depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// On nothing.
    Always,
    /// That there is no such key.
    Absent,
    /// That its version is still this one.
    Unchanged(u64),
}

impl Condition {
    /// Whether it holds where the key has this version, or is not there.
    pub fn holds(self, version: Option<u64>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => version.is_none(),
            Self::Unchanged(expected) => version == Some(expected),
        }
    }
}

/// A value that a plugin writes.
#[derive(Clone)]
pub struct NewValue {
    /// Whose it is.
    pub plugin: PluginName,
    /// Its key.
    pub key: String,
    /// The bytes.
    pub value: Vec<u8>,
    /// From when on it is as if it had been deleted.
    pub expires_at: Option<Timestamp>,
    /// On what writing it depends.
    pub when: Condition,
}

/// How much one plugin may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values together.
    pub bytes: u64,
}

/// What became of a value that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is kept, as this version.
    Version(u64),
    /// The condition did not hold.
    Differs,
    /// It would be more than the quota. Nothing was written.
    Full,
}
