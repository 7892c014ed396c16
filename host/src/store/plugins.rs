//! The plugins that serve.

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
