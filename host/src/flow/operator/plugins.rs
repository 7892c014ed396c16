//! What operators see of plugins, and allow them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NotDone, Operator, to_json};
use crate::protocol::plugin::{Permissions, PluginName, check_origin};
use crate::runtime::{Counters, Event, Plugin, Status};

/// A plugin as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginView {
    /// The stem of its file.
    pub name: PluginName,
    /// `serving`, `blocked`, `waiting`, `refused`, `off`, `removed`, or `stopped` when the host does not run.
    pub state: String,
    /// The version that serves.
    pub version: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// What it is, in its own words.
    pub summary: Option<String>,
    /// The channels it serves.
    pub channels: Vec<String>,
    /// The hooks it exports.
    pub hooks: Vec<String>,
    /// Instances that are kept between calls; `null` where each call has its own.
    pub warm: Option<usize>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why the file in the folder was not taken, or what is missing; one line.
    pub message: Option<String>,
    /// The command that mends it.
    pub fix: Option<String>,
    /// That an operator rolled back, in words.
    #[serde(default)]
    pub rolled_back: Option<String>,
    /// What it asks for.
    pub asks: Permissions,
    /// What it may do.
    pub allowed: Permissions,
    /// How it has been doing.
    pub counters: Counters,
    /// Its settings, secrets hidden.
    pub settings: Value,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
}

impl Operator {
    /// Every plugin, by name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn plugins(&self) -> Result<Vec<PluginView>, NotDone> {
        let Some(flow) = &self.flow else {
            let active = self.store.active_plugins().await?;
            return Ok(active
                .into_iter()
                .map(|active| PluginView {
                    state: "stopped".to_owned(),
                    digest: Some(active.artefact.0),
                    since: Some(active.since),
                    ..empty_view(active.name)
                })
                .collect());
        };
        let runtime = &flow.runtime;
        Ok(runtime.catalog().plugins().map(|(name, plugin)| plugin_view(name, plugin, runtime.allowed(name))).collect())
    }

    pub(super) async fn allow(&self, name: PluginName, change: Permissions, revoke: bool) -> Result<Value, NotDone> {
        for origin in &change.http {
            check_origin(origin).map_err(NotDone::Asked)?;
        }
        let _alone = self.allowing.lock().await;
        let stored = self.store.permissions().await?.into_iter().find(|(plugin, _)| *plugin == name).map(|(_, permissions)| permissions);
        let stored = stored.unwrap_or_default();
        let next = if revoke { stored.without(&change) } else { stored.union(&change) };
        let what = if revoke { "plugin allow --revoke" } else { "plugin allow" };
        let audit = self.audit(what, &format!("{name} {}", change.as_options()));
        self.store.allow(&name, next.clone(), audit).await?;
        if let Some(flow) = &self.flow {
            flow.runtime.set_allowed(&name, next.clone());
        }
        to_json(&next)
    }
}

fn empty_view(name: PluginName) -> PluginView {
    PluginView {
        name,
        state: String::new(),
        version: None,
        digest: None,
        summary: None,
        channels: Vec::new(),
        hooks: Vec::new(),
        warm: None,
        since: None,
        message: None,
        fix: None,
        rolled_back: None,
        asks: Permissions::default(),
        allowed: Permissions::default(),
        counters: Counters::default(),
        settings: Value::Null,
        events: Vec::new(),
    }
}

/// Everything an operator wants to know of one plugin.
pub fn plugin_view(name: &PluginName, plugin: &Plugin, allowed: Permissions) -> PluginView {
    let mut view =
        PluginView { allowed, counters: plugin.shared.tallied().counters(), events: plugin.events.clone(), ..empty_view(name.clone()) };
    let mut missing = String::new();
    if let Some(version) = &plugin.serving {
        missing = version.missing_permissions().as_options();
        view.version = Some(version.description.version.clone());
        view.digest = Some(version.digest.0.clone());
        view.summary = Some(version.description.summary.clone());
        view.channels.clone_from(&version.description.channels);
        view.hooks.clone_from(&version.hooks);
        view.warm = version.warm_instances();
        view.since = Some(version.since);
        view.asks = version.description.needs.union(&version.file.asks);
        view.settings = version.redacted_settings();
        view.rolled_back = plugin.aside.as_ref().map(|aside| {
            let by = &aside.by.by;
            format!("rolled back by {by}: what lies in the folder is not taken before it changes")
        });
    }
    // What happened last says what no longer happens.
    let stopped = || plugin.events.last().map(|event| event.text.clone());
    let (state, message, fix) = match &plugin.status {
        Status::Serving if !missing.is_empty() => (
            "blocked",
            Some(format!("serves, and is refused what it asks for: {missing}")),
            Some(format!("ciba-host plugin allow {name} {missing}")),
        ),
        Status::Serving => ("serving", None, None),
        Status::Waiting => ("waiting", Some("its file is not whole yet".to_owned()), None),
        Status::Refused(refusal) => ("refused", Some(format!("[{}]: {}", refusal.word, refusal.what)), Some(refusal.fix.clone())),
        Status::Off => ("off", stopped(), None),
        Status::Removed => ("removed", stopped(), None),
    };
    PluginView { state: state.to_owned(), message, fix, ..view }
}
