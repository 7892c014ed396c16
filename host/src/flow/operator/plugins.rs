//! What operators see of plugins, and allow them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reports::no_plugin;
use super::{NotDone, Operator, to_json};
use crate::protocol::plugin::{Mode, Permissions, PluginName, Word, Words, check_origin};
use crate::runtime::{Catalog, Change, Counters, Event, Plugin, Runtime, Status, Tally, Version};
use crate::store::NewWords;

/// A plugin as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginView {
    /// The stem of its file.
    pub name: PluginName,
    /// `serving`, `shadow`, `blocked`, `waiting`, `refused`, `off`, `removed`, or `stopped` when the host does not run.
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
    /// What operators said of it, and what its file says.
    #[serde(default)]
    pub said: AllSaid,
    /// Why the file in the folder was not taken, or what is missing; one line.
    pub message: Option<String>,
    /// The command that mends it.
    pub fix: Option<String>,
    /// Whether its answers count; absent where nothing is asked.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Beside whom it stands.
    #[serde(default)]
    pub beside: Option<PluginName>,
    /// The share of transactions that it is asked about, in per cent.
    #[serde(default)]
    pub share: Option<u8>,
    /// The same in words, where it is not all that there is to be said: that it serves.
    #[serde(default)]
    pub does: Option<String>,
    /// How the answers of a shadow compare, at all hooks together.
    #[serde(default)]
    pub compared: Option<Tally>,
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

/// What counts of something that a plugin's file says, and that an operator may say over it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said<T> {
    /// What counts; absent where nothing was loaded and nobody said anything.
    pub is: Option<T>,
    /// What its file says; absent where nothing was loaded.
    pub file: Option<T>,
    /// Who said otherwise.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// Of each thing that can be said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AllSaid {
    /// What becomes of its answers.
    pub mode: Said<Mode>,
    /// Its place among others: lower numbers come first.
    pub order: Said<i32>,
}

impl AllSaid {
    fn of(Words { mode, order }: Words, written: Option<(Mode, i32)>) -> Self {
        Self { mode: Said::of(mode, written.map(|(mode, _)| mode)), order: Said::of(order, written.map(|(_, order)| order)) }
    }
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self { is: None, file: None, by: None, at: None }
    }
}

impl<T: Copy> Said<T> {
    fn of(word: Option<Word<T>>, file: Option<T>) -> Self {
        let Some(Word { is, who, at }) = word else { return Self { is: file, file, ..Self::default() } };
        Self { is: Some(is), file, by: Some(who), at: Some(at) }
    }
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
        let (runtime, catalog) = (&flow.runtime, flow.runtime.catalog());
        Ok(catalog.plugins().map(|(name, plugin)| plugin_view(&catalog, name, plugin, runtime)).collect())
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

    pub(super) async fn set_plugin(&self, name: &PluginName, change: Change) -> Result<Value, NotDone> {
        if change == (Change::Say { mode: None, order: None }) {
            return Err(NotDone::Asked("nothing to set: name a mode or an order".to_owned()));
        }
        let audit = self.audit("plugin set", &format!("{name} {}", change.in_words()));
        let Some(flow) = &self.flow else {
            let _alone = self.allowing.lock().await;
            let before = self.store.plugin_words().await?.into_iter().find(|(plugin, _)| plugin == name).map(|(_, words)| words);
            if before.is_none() && !self.is_known_while_stopped(name).await? {
                return Err(no_plugin(name));
            }
            let words = change.of(&before.unwrap_or_default(), &audit.who, audit.at);
            self.store.set_plugin_words(NewWords { plugin: name.clone(), words: words.clone(), turn: None, audit }).await?;
            let said = AllSaid::of(words, None);
            return to_json(&PluginView { state: "stopped".to_owned(), said, ..empty_view(name.clone()) });
        };
        flow.runtime.say(name, change, audit).await?;
        let catalog = flow.runtime.catalog();
        let plugin = catalog.plugin(name).ok_or_else(|| NotDone::Asked(format!("{name} is gone")))?;
        to_json(&plugin_view(&catalog, name, plugin, &flow.runtime))
    }
}

impl Operator {
    /// Whether a host that does not run has a plugin of this name: one that served when it stopped, or that lies in the folder.
    async fn is_known_while_stopped(&self, name: &PluginName) -> Result<bool, NotDone> {
        let lies_there = self.folder.as_ref().is_some_and(|folder| folder.join(format!("{name}.wasm")).symlink_metadata().is_ok());
        Ok(lies_there || self.store.active_plugins().await?.iter().any(|active| active.name == *name))
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
        said: AllSaid::default(),
        message: None,
        fix: None,
        mode: None,
        beside: None,
        share: None,
        does: None,
        compared: None,
        rolled_back: None,
        asks: Permissions::default(),
        allowed: Permissions::default(),
        counters: Counters::default(),
        settings: Value::Null,
        events: Vec::new(),
    }
}

/// What it does, and what it does not do that the one does in whose place it is asked.
fn in_words(catalog: &Catalog, version: &Version) -> String {
    let unserved = catalog.unserved(version);
    let without = if unserved.is_empty() { String::new() } else { format!(", without {}", unserved.join(", ")) };
    version.does() + &without
}

/// Everything an operator wants to know of one plugin.
pub fn plugin_view(catalog: &Catalog, name: &PluginName, plugin: &Plugin, runtime: &Runtime) -> PluginView {
    let allowed = runtime.allowed(name);
    let mut view =
        PluginView { allowed, counters: plugin.shared.tallied().counters(), events: plugin.events.clone(), ..empty_view(name.clone()) };
    let (mut missing, mut beside) = (String::new(), None);
    let (mut serving, mut blocked, mut how) = ("serving", "blocked", "serves");
    if let Some(version) = &plugin.serving {
        view.version = Some(version.description.version.clone());
        view.digest = Some(version.digest.0.clone());
        view.since = Some(version.since);
        view.does = Some(in_words(catalog, version)).filter(|does| does != "serving");
    }
    let words = runtime.words_of(name);
    let written = plugin.version().map(|version| version.written);
    view.said = AllSaid::of(words, written);
    if let Some(version) = plugin.version() {
        missing = version.missing_permissions().as_options();
        view.summary = Some(version.description.summary.clone());
        view.channels.clone_from(&version.description.channels);
        view.hooks.clone_from(&version.hooks);
        view.warm = version.warm().map(|warm| warm.instances);
        view.asks = version.description.needs.union(&version.file.asks);
        view.settings = version.redacted_settings();
        view.mode = Some(version.file.mode);
        view.beside.clone_from(&version.file.beside);
        view.share = Some(version.file.share);
        view.compared = version.compared();
        beside = catalog.beside_nobody(version);
        if !version.is_enforced() {
            (serving, blocked, how) = ("shadow", "shadow", "is a shadow");
        }
        view.rolled_back = plugin.aside.as_ref().map(|aside| {
            let by = &aside.by.by;
            format!("rolled back by {by}: what lies in the folder is not taken before it changes")
        });
    }
    // What happened last says what no longer happens.
    let stopped = || plugin.events.last().map(|event| event.text.clone());
    let (state, message, fix) = match &plugin.status {
        Status::Serving if beside.is_some() => (
            if missing.is_empty() { serving } else { blocked },
            beside.map(|what| format!("[beside]: {what}")),
            Some(format!("name a plugin that serves, or leave `beside` out of {name}.toml")),
        ),
        Status::Serving if !missing.is_empty() => (
            blocked,
            Some(format!("{how}, and is refused what it asks for: {missing}")),
            Some(format!("ciba-host plugin allow {name} {missing}")),
        ),
        Status::Serving => (serving, None, None),
        Status::Waiting => ("waiting", Some("its file is not whole yet".to_owned()), None),
        Status::Refused(refusal) => ("refused", Some(format!("[{}]: {}", refusal.word, refusal.what)), Some(refusal.fix.clone())),
        Status::Off => ("off", stopped(), None),
        Status::Removed => ("removed", stopped(), None),
    };
    PluginView { state: state.to_owned(), message, fix, ..view }
}
