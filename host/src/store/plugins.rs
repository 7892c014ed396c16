//! The plugins that serve, what served before, and what plugins keep.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AuditEntry;
use crate::protocol::plugin::{ArtefactDigest, PluginName, Words};

/// A plugin version that serves, or would if its plugin had not been turned off by command.
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
    /// What lies in the folder instead, where it was rolled back.
    pub set_aside: Option<SetAside>,
    /// Whether it serves.
    pub serves: bool,
}

/// What lies in the folder and is not taken, because an operator rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Digest of the component and its `name.toml`.
    pub file: ArtefactDigest,
    /// Who rolled back.
    pub by: String,
}

/// A version that begins to serve.
#[derive(Clone, Debug)]
pub struct Activation {
    /// What serves from now on.
    pub plugin: ActivePlugin,
    /// Its component.
    pub bytes: Arc<[u8]>,
    /// What it calls itself.
    pub version: String,
    /// Its settings as they may be shown: JSON.
    pub settings: String,
    /// Whether it observes.
    pub observes: bool,
    /// Who rolled back to it; absent where it came out of the folder.
    pub rolled_back_by: Option<String>,
    /// Written with it.
    pub audit: AuditEntry,
}

/// Operators' words about one plugin.
#[derive(Clone, Debug)]
pub struct NewWords {
    /// The plugin.
    pub plugin: PluginName,
    /// All of them: what is not here is taken back.
    pub words: Words,
    /// What becomes of its version by them.
    pub turn: Option<Switch>,
    /// Written with it.
    pub audit: AuditEntry,
}

/// What becomes of a version although no other takes its place.
#[derive(Clone, Debug)]
pub enum Switch {
    /// It no longer serves, and may again.
    Off,
    /// It serves again.
    On {
        /// What it calls itself.
        version: String,
        /// Its settings as they may be shown: JSON.
        settings: String,
        /// Whether it observes.
        observes: bool,
    },
}

/// A version that served, or serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedVersion {
    /// Its component.
    pub artefact: ArtefactDigest,
    /// The text of its `name.toml`.
    pub file: String,
    /// Its settings as they may be shown: JSON.
    pub settings: String,
    /// What it calls itself; empty where that was not written down yet.
    pub version: String,
    /// From when.
    pub since: Timestamp,
    /// Until when; absent while it serves.
    pub until: Option<Timestamp>,
    /// Who rolled back to it; absent where it came out of the folder.
    pub rolled_back_by: Option<String>,
}

impl ServedVersion {
    /// Whether both are the same component with the same settings.
    pub fn is_same(&self, other: &Self) -> bool {
        self.artefact == other.artefact && self.file == other.file
    }
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
