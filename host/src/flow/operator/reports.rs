//! All that is known of one plugin, and its log as it grows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::history::views as version_views;
use super::{NotDone, Operator, PluginView, VersionView, plugin_view};
use crate::protocol::plugin::PluginName;
use crate::runtime::{HookTally, LogLine, Shared, Warm};

/// How long a log that has nothing new is waited for.
const LINE: Duration = Duration::from_secs(20);

/// One plugin, with all that is known of it but its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginReport {
    /// What a list says of it.
    #[serde(flatten)]
    pub plugin: PluginView,
    /// What was counted of each hook since the host started.
    pub hooks_called: Vec<HookTally>,
    /// What it was refused because it may not, and how often.
    pub refused: BTreeMap<String, u64>,
    /// Instances that are kept between calls; `null` where each call has its own.
    pub kept: Option<Warm>,
    /// What served, newest first.
    pub versions: Vec<VersionView>,
}

/// A part of a plugin's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogTail {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// How many there were, those that are no longer kept included.
    pub next: u64,
    /// The host stops: there will be no more.
    pub stopping: bool,
}

impl Operator {
    /// One plugin of the running host.
    ///
    /// # Errors
    /// When there is none, or the store cannot answer.
    pub async fn plugin_report(&self, name: &PluginName) -> Result<PluginReport, NotDone> {
        let flow = self.running("what is counted of a plugin is in the memory of the running host")?;
        let catalog = flow.runtime.catalog();
        let plugin = catalog.plugin(name).ok_or_else(|| no_plugin(name))?;
        let tallied = plugin.shared.tallied();
        Ok(PluginReport {
            plugin: plugin_view(&catalog, name, plugin, &flow.runtime),
            hooks_called: tallied.hooks,
            refused: tallied.refused,
            kept: plugin.serving.as_ref().and_then(|version| version.warm()),
            versions: version_views(self.store.plugin_history(name).await?),
        })
    }

    /// What a plugin logs goes here.
    pub(super) fn log_of(&self, name: &PluginName) -> Result<Arc<Shared>, NotDone> {
        let catalog = self.running("a plugin's log is in the memory of the running host")?.runtime.catalog();
        catalog.plugin(name).map(|plugin| Arc::clone(&plugin.shared)).ok_or_else(|| no_plugin(name))
    }

    /// What a plugin's log has after so many lines, or all that is kept. Where there is nothing yet, it is waited for a while.
    ///
    /// # Errors
    /// When there is no such plugin.
    pub async fn log_after(&self, name: &PluginName, after: Option<u64>) -> Result<LogTail, NotDone> {
        let shared = self.log_of(name)?;
        let mut stopping = self.running("a plugin's log is in its memory")?.stopping.clone();
        let mut logged = shared.logged();
        if let Some(after) = after {
            tokio::select! {
                _ = logged.wait_for(|count| *count != after) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = tokio::time::sleep(LINE) => {}
            }
        }
        let (lines, next) = shared.lines_after(after.unwrap_or_default());
        Ok(LogTail { lines, next, stopping: *stopping.borrow() })
    }
}

/// Nothing is known under this name.
pub(super) fn no_plugin(name: &PluginName) -> NotDone {
    NotDone::Asked(format!("there is no plugin {name}; `ciba-host plugin list` shows those that there are"))
}
