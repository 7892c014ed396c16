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
use super::stands::Stand;
use super::version::Version;
use crate::protocol::plugin::{ArtefactDigest, PluginName};

/// Lines kept of a plugin's history.
const EVENTS_KEPT: usize = 50;

/// All plugins, by name.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: BTreeMap<PluginName, Plugin>,
    /// Who serves each hook, in the operator's order: looked up at every request.
    stands: HashMap<&'static str, Arc<[Stand]>>,
}

/// One plugin.
#[derive(Clone)]
pub struct Plugin {
    /// What serves, if anything: the last good version, whatever the file in the folder is now.
    pub serving: Option<Arc<Version>>,
    /// What would serve if an operator had not turned it off by command.
    pub resting: Option<Arc<Version>>,
    /// What became of the file in the folder.
    pub status: Status,
    /// The file in the folder that does not serve because an operator rolled back.
    pub aside: Option<Aside>,
    /// Permissions, log and counters.
    pub shared: Arc<Shared>,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
}

impl Plugin {
    /// What serves, or would.
    pub fn version(&self) -> Option<&Arc<Version>> {
        self.serving.as_ref().or(self.resting.as_ref())
    }
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

    /// What serves, and shadows, in the operator's order.
    fn serving(&self) -> Vec<&Arc<Version>> {
        let mut serving: Vec<_> = self.plugins.values().filter_map(|plugin| plugin.serving.as_ref()).collect();
        serving.sort_by_key(|version| (version.file.order, &version.name));
        serving
    }

    pub(super) fn of_hook<H: Hook>(&self) -> Option<&Arc<[Stand]>> {
        self.stands.get(H::NAME)
    }

    /// Changes one plugin, and answers the version that no longer serves. Who serves which hook is not looked at again.
    pub(super) fn change(&mut self, name: &PluginName, shared: Arc<Shared>, change: impl FnOnce(&mut Plugin)) -> Option<Arc<Version>> {
        let plugin = self.plugins.entry(name.clone()).or_insert_with(|| Plugin {
            serving: None,
            resting: None,
            status: Status::Removed,
            aside: None,
            shared,
            events: Vec::new(),
        });
        let before = plugin.serving.clone();
        change(plugin);
        let surplus = plugin.events.len().saturating_sub(EVENTS_KEPT);
        plugin.events.drain(..surplus);
        before.filter(|before| !plugin.serving.as_ref().is_some_and(|now| Arc::ptr_eq(before, now)))
    }

    fn arrange(&mut self) {
        let serving = self.serving();
        let of = |hook: &'static str| self.stands(&serving, |version| version.hooks.iter().any(|served| served == hook));
        let stands = hooks::names().into_iter().map(|hook| (hook, of(hook)));
        self.stands = stands.filter(|(_, of)| !of.is_empty()).map(|(hook, of)| (hook, of.into())).collect();
    }

    /// Refuses a version that wants a channel another plugin serves.
    pub(super) fn channel_conflict(&self, version: &Version) -> Option<Refusal> {
        if !version.is_enforced() || version.callable.hooks.notify.is_none() {
            return None;
        }
        let channels = version.description.channels.iter();
        let mut taken = channels.flat_map(|channel| self.notifiers(channel).map(move |other| (channel, other)));
        let (channel, other) = taken.find(|(_, other)| other.name != version.name && !other.takes_turns_with(version))?;
        Some(Refusal::new(
            "channel-taken",
            format!("it serves the channel `{channel}`, which {} serves already", other.name),
            format!(
                "remove {0}.wasm, or let one of them serve another channel; to try one in the place of the other: beside = \"{0}\"",
                other.name
            ),
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
            gone = next.change(name, shared, change);
            next.arrange();
            *catalog = Arc::new(next);
        });
        // Whoever still holds the version finishes on it, but not in an instance that outlives the call.
        if let Some(instances) = gone.as_ref().and_then(|version| version.instances.as_ref()) {
            instances.close();
        }
    }

    /// The first of all catalogs: it was made with [`Catalog::change`], one plugin after the other, and is published once.
    pub(super) fn publish_first(&self, mut catalog: Catalog) {
        catalog.arrange();
        self.catalog.send_replace(Arc::new(catalog));
        self.serving_changed();
    }

    pub(super) fn event(&self, kind: EventKind, text: impl Into<String>) -> Event {
        Event { at: self.clock.now(), kind, text: text.into(), version: None, took_ms: None }
    }
}
