//! What an operator says of a plugin by command: its mode and its order. It counts at once, and stands over what the plugin's
//! file says until it is taken back.
//!
//! Nothing is loaded for it: what was tried once goes on serving as another [`Version`] of the same. Turned off, a version
//! rests: it is kept, and with it what it was rolled back from, so that whoever turns it on again gets what there was.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::catalog::{EventKind, Plugin, Status};
use super::files::Files;
use super::instances::Instances;
use super::load::Candidate;
use super::places::Places;
use super::refusal::Refusal;
use super::version::Callable;
use super::{Runtime, Version};
use crate::protocol::plugin::{Mode, PluginName, Word, Words};
use crate::store::{AuditEntry, NewWords, StoreError, Switch};

/// How often a file is read again that changed while it was tried.
const TRIES: usize = 3;

/// What an operator wants of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is said counts, and what is not said stays as it was.
    Say {
        /// Of its mode.
        mode: Option<Mode>,
        /// Of its order.
        order: Option<i32>,
    },
    /// What its file says counts again.
    AsFile,
}

/// Why what an operator wants of a plugin was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It cannot be done as asked.
    #[error("{0}")]
    Asked(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for NotChanged {
    fn from(refusal: Refusal) -> Self {
        Self::Asked(refusal.to_string())
    }
}

impl Change {
    /// The words after it.
    pub fn of(self, words: &Words, who: &str, at: Timestamp) -> Words {
        match self {
            Self::Say { mode, order } => Words {
                mode: mode.map(|is| Word { is, who: who.to_owned(), at }).or_else(|| words.mode.clone()),
                order: order.map(|is| Word { is, who: who.to_owned(), at }).or_else(|| words.order.clone()),
            },
            Self::AsFile => Words::default(),
        }
    }
}

impl Plugin {
    /// A version takes the place of the one before: it serves, or rests.
    pub(super) fn put(&mut self, version: Arc<Version>) {
        (self.serving, self.resting) = if version.rests() { (None, Some(version)) } else { (Some(version), None) };
        self.status = self.status_without_file();
    }

    /// What it is when there is nothing to say of a file.
    pub(super) fn status_without_file(&self) -> Status {
        if self.serving.is_some() { Status::Serving } else { Status::Off }
    }
}

impl Version {
    /// Whether an operator turned it off.
    pub fn rests(&self) -> bool {
        self.file.mode == Mode::Off
    }

    /// The same with other words over its file. Calls that are under way end on this one.
    fn under(&self, words: &Words, places: &Places) -> Self {
        let (mode, order) = self.written;
        let mut file = self.file.clone();
        (file.mode, file.order) = (mode, order);
        let file = words.over(file);
        Self {
            name: self.name.clone(),
            digest: self.digest.clone(),
            description: self.description.clone(),
            instances: Instances::of(&file, places),
            written: self.written,
            file_text: self.file_text.clone(),
            hooks: self.hooks.clone(),
            since: self.since,
            shared: Arc::clone(&self.shared),
            callable: self.callable.in_mode(file.mode),
            file,
            shown_settings: self.shown_settings.clone(),
            calls_at_once: Arc::clone(&self.calls_at_once),
            in_flight: AtomicUsize::new(0),
        }
    }
}

impl Callable {
    /// The same where its answers count, or where they are only compared and nothing that it wants done is.
    fn in_mode(self: &Arc<Self>, mode: Mode) -> Arc<Self> {
        let is_shadow = mode == Mode::Shadow;
        if is_shadow == self.comparison.is_some() {
            return Arc::clone(self);
        }
        Arc::new(Self { comparison: is_shadow.then(Arc::default), ..Self::clone(self) })
    }
}

impl Runtime {
    /// What operators said of a plugin.
    pub fn words_of(&self, name: &PluginName) -> Words {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    /// Does what an operator says of a plugin.
    ///
    /// # Errors
    /// Why it was not done. Then everything is as it was.
    pub async fn say(&self, name: &PluginName, change: Change, audit: AuditEntry) -> Result<(), NotChanged> {
        let turn = self.publishing.lock().await;
        let catalog = self.catalog();
        let Some(plugin) = catalog.plugin(name) else {
            return Err(NotChanged::Asked(format!("there is no plugin {name}; `ciba-host plugin list` shows those that there are")));
        };
        let (who, at) = (audit.who.clone(), audit.at);
        let words = change.of(&self.words_of(name), &who, at);
        let next = plugin.version().map(|version| Arc::new(version.under(&words, &self.places)));
        if let Some(refusal) = next.as_ref().and_then(|next| catalog.channel_conflict(next)) {
            return Err(refusal.into());
        }
        let was_on = plugin.serving.is_some();
        let turned = next.as_ref().filter(|next| next.rests() == was_on).map(|next| next.turned());
        let new = NewWords { plugin: name.clone(), words: words.clone(), turn: turned, audit };
        self.store.set_plugin_words(new).await?;
        self.words.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), words);
        tracing::info!("plugin {name}: {} by {who}", change.in_words());
        let Some(next) = next else {
            drop(turn);
            // Nothing of it was taken, because its file said that it is off, or because it may not be what its file said.
            self.take_from_folder(name).await;
            return Ok(());
        };
        if next.rests() && next.written.0 == Mode::Off {
            self.stop(name, Status::Off, "turned off: its file says so again").await;
            return Ok(());
        }
        let named = (next.description.version.clone(), next.digest.clone());
        let (kind, text) = if next.rests() {
            let without = plugin.serving.as_ref().map_or_else(String::new, |version| format!("; {}", version.without_it()));
            (EventKind::Stopped, format!("turned off by {who}{without}"))
        } else {
            (EventKind::Serving, format!("turned on by {who}"))
        };
        let mut event = self.event(kind, text);
        event.version = Some(named);
        self.publish(name, |plugin| {
            let refused = Some(plugin.status.clone()).filter(|status| matches!(status, Status::Refused(_) | Status::Waiting));
            plugin.put(next);
            if plugin.serving.is_some() != was_on {
                plugin.events.push(event);
            }
            if let Some(refused) = refused {
                plugin.status = refused;
            }
        });
        self.serving_changed();
        self.warn_beside(name);
        Ok(())
    }

    /// Says which plugins stand beside nobody: this one, and those beside it, whatever became of it.
    pub(super) fn warn_beside(&self, name: &PluginName) {
        let catalog = self.catalog();
        let versions = catalog.plugins().filter_map(|(_, plugin)| plugin.serving.as_ref());
        for version in versions.filter(|version| version.name == *name || version.file.beside.as_ref() == Some(name)) {
            if let Some(what) = catalog.beside_nobody(version) {
                let name = &version.name;
                tracing::warn!("plugin {name} [beside]: {what}.  do: name a plugin that serves, or leave `beside` out of {name}.toml");
            }
        }
    }

    /// A version as operators want it now: they may have said something while it was tried.
    pub(super) fn as_said(&self, version: Arc<Version>) -> Arc<Version> {
        let next = version.under(&self.words_of(&version.name), &self.places);
        if (next.file.mode, next.file.order) == (version.file.mode, version.file.order) { version } else { Arc::new(next) }
    }

    /// Writes down that a version serves or rests as the words say, where they were said while nothing ran.
    pub(super) async fn turn(&self, version: &Version) -> anyhow::Result<()> {
        let about = format!("{}: {}", version.name, if version.rests() { "off" } else { "on" });
        let audit = self.by_file("plugin set, since the start", &about);
        let words = self.words_of(&version.name);
        let new = NewWords { plugin: version.name.clone(), words, turn: Some(version.turned()), audit };
        Ok(self.store.set_plugin_words(new).await?)
    }

    /// Takes what lies in the folder, as it is when it has been tried.
    async fn take_from_folder(&self, name: &PluginName) {
        let mut tried = None;
        for _ in 0..TRIES {
            let files = Files::of(&self.folder, name);
            let Ok(Ok(found)) = tokio::task::spawn_blocking(move || files.read()).await else { return };
            if found.blank || tried.as_ref() == Some(&found.content) {
                return;
            }
            tried = Some(found.content);
            // What becomes of it is published, and said there.
            self.take(Candidate { name: name.clone(), bytes: found.bytes.into(), file_text: found.text }).await;
        }
    }
}

impl Version {
    fn turned(&self) -> Switch {
        if self.rests() {
            return Switch::Off;
        }
        Switch::On {
            version: self.description.version.clone(),
            settings: self.shown_settings.to_string(),
            observes: self.callable.hooks.observe.is_some(),
        }
    }
}

impl Change {
    /// What was done, for a log.
    pub fn in_words(self) -> String {
        match self {
            Self::AsFile => "set as its file says".to_owned(),
            Self::Say { mode, order } => {
                let mode = mode.map(|mode| format!("mode {}", mode.as_str()));
                let order = order.map(|order| format!("order {order}"));
                format!("set to {}", [mode, order].into_iter().flatten().collect::<Vec<_>>().join(", "))
            }
        }
    }
}
