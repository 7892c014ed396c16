//! What there is and what serves, as one value that is replaced whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Runtime;
use super::hooks::{self, Hook};
use super::refusal::Refusal;
use super::rollback::Aside;
use super::shared::Shared;
use super::version::Version;
use crate::protocol::plugin::{ArtefactDigest, PluginName};

/// Lines kept of a plugin's history.
const EVENTS_KEPT: usize = 50;

/// All plugins, by name.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: BTreeMap<PluginName, Plugin>,
    /// Who serves each hook, in the operator's order: looked up at every request.
    hooks: HashMap<&'static str, Arc<[Arc<Version>]>>,
}

/// One plugin.
#[derive(Clone)]
pub struct Plugin {
    /// What serves, if anything: the last good version, whatever the file in the folder is now.
    pub serving: Option<Arc<Version>>,
    /// What became of the file in the folder.
    pub status: Status,
    /// The file in the folder that does not serve because an operator rolled back.
    pub aside: Option<Aside>,
    /// Permissions, log and counters.
    pub shared: Arc<Shared>,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
}

/// What became of the file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It serves.
    Serving,
    /// It is not whole yet.
    Waiting,
    /// It was not taken.
    Refused(Box<Refusal>),
    /// The operator turned it off.
    Off,
    /// There is none.
    Removed,
}

/// Something that happened to a plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: EventKind,
    /// In words.
    pub text: String,
    /// The version that began to serve, with its digest.
    pub version: Option<(String, ArtefactDigest)>,
    /// From the file's arrival to serving, in milliseconds.
    pub took_ms: Option<u64>,
}

/// The kinds of things that happen to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A version began to serve.
    Serving,
    /// A file was not taken.
    Refused,
    /// It no longer serves.
    Stopped,
}

impl Catalog {
    /// All plugins, by name.
    pub fn plugins(&self) -> impl Iterator<Item = (&PluginName, &Plugin)> {
        self.plugins.iter()
    }

    /// One plugin.
    pub fn plugin(&self, name: &PluginName) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    /// What serves, in the operator's order.
    pub fn serving(&self) -> Vec<&Arc<Version>> {
        let mut serving: Vec<_> = self.plugins.values().filter_map(|plugin| plugin.serving.as_ref()).collect();
        serving.sort_by_key(|version| (version.file.order, version.name.clone()));
        serving
    }

    /// Who serves this hook, in the operator's order. Nobody, for the most part.
    pub fn of_hook<H: Hook>(&self) -> Option<&Arc<[Arc<Version>]>> {
        self.hooks.get(H::NAME)
    }

    fn arrange(&mut self) {
        let serving: Vec<Arc<Version>> = self.serving().into_iter().map(Arc::clone).collect();
        let of = |hook: &&'static str| -> Arc<[Arc<Version>]> {
            serving
                .iter()
                .filter(|version| version.is_enforced() && version.hooks.iter().any(|served| served == hook))
                .map(Arc::clone)
                .collect()
        };
        self.hooks = hooks::names().iter().map(|hook| (*hook, of(hook))).filter(|(_, of)| !of.is_empty()).collect();
    }

    /// Who notifies on this channel. There is at most one.
    pub fn notifier(&self, channel: &str) -> Option<&Arc<Version>> {
        let serves = |version: &&Arc<Version>| {
            version.is_enforced()
                && version.callable.hooks.notify.is_some()
                && version.description.channels.iter().any(|served| served == channel)
        };
        self.plugins.values().filter_map(|plugin| plugin.serving.as_ref()).find(serves)
    }

    /// Refuses a version that wants a channel another plugin serves.
    pub(super) fn channel_conflict(&self, version: &Version) -> Option<Refusal> {
        version.callable.hooks.notify.as_ref()?;
        let (channel, other) = version
            .description
            .channels
            .iter()
            .filter_map(|channel| self.notifier(channel).map(|other| (channel, other)))
            .find(|(_, other)| other.name != version.name)?;
        Some(Refusal::new(
            "channel-taken",
            format!("it serves the channel `{channel}`, which {} serves already", other.name),
            format!("remove {}.wasm, or let one of them serve another channel", other.name),
        ))
    }
}

impl Runtime {
    /// Changes one plugin and publishes the whole: readers see the old catalog or the new one.
    pub(super) fn publish(&self, name: &PluginName, change: impl FnOnce(&mut Plugin)) {
        let shared = self.shared_of(name);
        let mut gone = None;
        self.catalog.send_modify(|catalog| {
            let mut next = Catalog::clone(catalog);
            let plugin = next.plugins.entry(name.clone()).or_insert_with(|| Plugin {
                serving: None,
                status: Status::Removed,
                aside: None,
                shared,
                events: Vec::new(),
            });
            let before = plugin.serving.clone();
            change(plugin);
            let still = |before: &Arc<Version>| plugin.serving.as_ref().is_some_and(|now| Arc::ptr_eq(before, now));
            gone = before.filter(|before| !still(before));
            let surplus = plugin.events.len().saturating_sub(EVENTS_KEPT);
            plugin.events.drain(..surplus);
            next.arrange();
            *catalog = Arc::new(next);
        });
        // Whoever still holds the version finishes on it, but not in an instance that outlives the call.
        if let Some(instances) = gone.as_ref().and_then(|version| version.instances.as_ref()) {
            instances.close();
        }
    }

    pub(super) fn event(&self, kind: EventKind, text: impl Into<String>) -> Event {
        Event { at: self.clock.now(), kind, text: text.into(), version: None, took_ms: None }
    }
}
