//! How the answers of a shadow compare with those that count.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NotDone, Operator};
use crate::protocol::plugin::PluginName;
use crate::runtime::Findings;

/// What is known of a shadow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShadowView {
    /// Its version.
    pub version: String,
    /// Digest of its component.
    pub digest: String,
    /// Since when it has been asked.
    pub since: Timestamp,
    /// What it does, in words.
    pub does: String,
    /// How its answers compare.
    #[serde(flatten)]
    pub findings: Findings,
}

impl Operator {
    /// What is known of a shadow of the running host.
    ///
    /// # Errors
    /// When there is no such shadow.
    pub fn shadow(&self, name: &PluginName) -> Result<ShadowView, NotDone> {
        let catalog = self.running("how answers compare is in the memory of the running host")?.runtime.catalog();
        let version = catalog.plugin(name).and_then(|plugin| plugin.serving.as_ref());
        let Some(version) = version else { return Err(NotDone::Asked(format!("there is no plugin {name} that is asked"))) };
        let Some(findings) = version.findings() else {
            return Err(NotDone::Asked(format!(
                "{name} is no shadow: its answers count; write mode = \"shadow\" into {name}.toml to have them only compared"
            )));
        };
        let (does, since) = (version.does(), version.since);
        Ok(ShadowView { version: version.description.version.clone(), digest: version.digest.0.clone(), since, does, findings })
    }
}
