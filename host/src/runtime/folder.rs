//! The plugin folder: an inbox. What arrives is read, tried and taken, or refused with a reason; what serves is in
//! the store, not here.
//!
//! Notifications of the file system only say "look again". Looking is cheap, so it also happens once a second, for
//! file systems that do not notify, and once in a while by content, for those that lie about times.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use notify::Watcher as _;
use tokio::sync::{Notify, mpsc, oneshot};

use super::files::{self, Files, Found, Look};
use super::load::Candidate;
use super::refusal::Refusal;
use super::rollback::Aside;
use super::take::Outcome;
use super::{Runtime, Status, Version};
use crate::protocol::plugin::{ArtefactDigest, PluginName};

/// How long a file may stay unfinished without growing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a file may be gone, or closed to us, before that counts: `install`, and `mv` from another file system,
/// remove the old file first and write the new one while nobody else may read it.
const GAP: Duration = Duration::from_secs(1);
/// How long the start waits for what the folder holds. What takes longer is tried while the host serves.
const FIRST_TRIALS: Duration = Duration::from_secs(5);
/// How often the folder is looked at when nothing is said.
const LOOK: Duration = Duration::from_secs(1);
/// How often files are read although they look unchanged.
const LOOK_INSIDE: Duration = Duration::from_secs(30);

/// Watches the folder until dropped.
pub struct Watching {
    task: tokio::task::JoinHandle<()>,
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Runtime {
    /// Brings back what served before, then takes what the folder holds, and goes on watching it. Returns when all that
    /// the folder holds was tried once, or has taken too long.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub async fn watch_folder(self: &Arc<Self>) -> anyhow::Result<Watching> {
        let folder = self.folder.clone();
        fs::create_dir_all(&folder).with_context(|| format!("the plugin folder {} cannot be made", folder.display()))?;
        let look = Arc::new(Notify::new());
        let watcher = {
            let look = Arc::clone(&look);
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading the folder is an access too, and must not lead to the next look.
                if !event.is_ok_and(|event| event.kind.is_access() && !is_closed_after_writing(&event)) {
                    look.notify_one();
                }
            })
            .and_then(|mut watcher| watcher.watch(&folder, notify::RecursiveMode::NonRecursive).map(|()| watcher))
            .inspect_err(|error| tracing::warn!(%error, "the folder cannot be watched; it is looked at once a second"))
            .ok()
        };
        self.restore().await?;
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let mut inbox = Inbox {
            runtime: Arc::clone(self),
            seen: HashMap::new(),
            strange: BTreeSet::new(),
            ended: ended_sender,
            inside: Instant::now(),
        };
        inbox.adopt_serving();
        let (ready, seen_once) = oneshot::channel();
        let task = tokio::spawn(inbox.run(look, ended, ready));
        if tokio::time::timeout(FIRST_TRIALS, seen_once).await.is_err() {
            tracing::warn!("not every plugin has been tried after {} s; the rest follows", FIRST_TRIALS.as_secs());
        }
        Ok(Watching { task, _watcher: watcher })
    }
}

/// What is known of one plugin's files.
struct Seen {
    look: Vec<Look>,
    /// The files that its settings point to.
    secrets: Vec<PathBuf>,
    /// Digest of all of them as they were last tried.
    content: ArtefactDigest,
    /// Whether there was a `name.toml`.
    has_text: bool,
    /// Since when a part of it has been gone, or closed to us.
    gap: Option<Instant>,
    /// Since when it has not grown, and what is wrong with it if no more comes.
    unfinished: Option<(Instant, Refusal)>,
    /// A trial is running; look again when it has ended.
    busy: bool,
    /// The channels it serves, when it was refused because another plugin serves one of them.
    wants: Vec<String>,
    /// What it was rolled back from, where that lies here. Then `content` and `secrets` are those of what serves instead.
    aside: Option<ArtefactDigest>,
}

impl Seen {
    fn new(look: Vec<Look>, secrets: Vec<PathBuf>, content: ArtefactDigest, has_text: bool) -> Self {
        Self { look, secrets, content, has_text, gap: None, unfinished: None, busy: false, wants: Vec::new(), aside: None }
    }

    /// Of files that could not be read, or are gone: whatever comes is something else.
    fn nothing(look: Vec<Look>) -> Self {
        Self::new(look, Vec::new(), ArtefactDigest(String::new()), false)
    }

    /// Whether what is gone has been so for long enough to be believed.
    fn is_gone(&mut self) -> bool {
        self.gap.get_or_insert_with(Instant::now).elapsed() >= GAP
    }

    /// Whether it was seen since the last rollback.
    fn is_as(&self, aside: Option<(&Arc<Version>, &Aside)>) -> bool {
        self.aside.as_ref() == aside.map(|(_, aside)| &aside.by.file)
    }

    fn is_overdue(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|(since, _)| since.elapsed() >= PATIENCE)
    }
}

/// A trial has ended.
struct Ended {
    name: PluginName,
    outcome: Outcome,
}

/// What the watching task holds.
struct Inbox {
    runtime: Arc<Runtime>,
    seen: HashMap<PluginName, Seen>,
    /// What was said of files whose names no plugin can have.
    strange: BTreeSet<String>,
    ended: mpsc::UnboundedSender<Ended>,
    /// When files were last read although they looked unchanged.
    inside: Instant,
}

impl Inbox {
    async fn run(mut self, look: Arc<Notify>, mut ended: mpsc::UnboundedReceiver<Ended>, ready: oneshot::Sender<()>) {
        let mut ready = Some(ready);
        loop {
            // Files are read here, perhaps many and large, and from a disk that may be slow.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looked.await {
                Ok(inbox) => inbox,
                Err(error) => return tracing::error!(%error, "the plugin folder is not watched any more.  do: restart, and report this"),
            };
            if !self.seen.values().any(|seen| seen.busy)
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(());
            }
            tokio::select! {
                () = look.notified() => {}
                Some(ended) = ended.recv() => self.ended(ended),
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    /// Until the next look, when nothing is said.
    fn pause(&self) -> Duration {
        let gap = self.seen.values().filter_map(|seen| seen.gap).map(|since| GAP.saturating_sub(since.elapsed())).min();
        gap.map_or(LOOK, |gap| gap.clamp(Duration::from_millis(10), LOOK))
    }

    /// What was brought back from the store need not be tried again when the folder holds the same.
    fn adopt_serving(&mut self) {
        for (name, plugin) in self.runtime.catalog().plugins() {
            let Some(version) = plugin.version() else { continue };
            let content = files::content_of_version(&version.digest, &version.file_text, &self.runtime.folder);
            let aside = plugin.aside.as_ref().map(|aside| aside.by.file.clone());
            let seen = Seen::new(Vec::new(), Vec::new(), content, !version.file_text.is_empty());
            self.seen.insert(name.clone(), Seen { aside, ..seen });
        }
    }

    /// Looks at every file; reads those that look changed, and once in a while all of them.
    fn look(&mut self) {
        let inside = self.inside.elapsed() >= LOOK_INSIDE;
        if inside {
            self.inside = Instant::now();
        }
        let (names, strange) = match files::names_in(&self.runtime.folder) {
            Ok(names) => names,
            Err(error) => return tracing::error!(%error, "the plugin folder cannot be read; what serves goes on serving"),
        };
        for why in strange.difference(&self.strange) {
            tracing::error!("a file in the plugin folder was not taken [name]: {why}.  do: rename it");
        }
        self.strange = strange;
        let missing = self.seen.iter_mut().filter(|(name, seen)| !names.contains(*name) && !seen.busy);
        for name in missing.filter_map(|(name, seen)| seen.is_gone().then(|| name.clone())).collect::<Vec<_>>() {
            self.remove(name);
        }
        self.look_for_channels();
        for name in names {
            self.look_at(&name, inside);
        }
    }

    /// What was refused for a channel is tried again when that is free.
    fn look_for_channels(&mut self) {
        let catalog = self.runtime.catalog();
        for (name, seen) in self.seen.iter_mut().filter(|(_, seen)| !seen.wants.is_empty()) {
            // By command it may have become what needs no channel.
            if !catalog.plugin(name).is_some_and(|plugin| matches!(plugin.status, Status::Refused(_))) {
                continue;
            }
            if seen.wants.iter().all(|channel| catalog.notifier(channel).is_none_or(|other| other.name == *name)) {
                *seen = Seen::nothing(Vec::new());
            }
        }
    }

    fn remove(&mut self, name: PluginName) {
        self.seen.insert(name.clone(), Seen { busy: true, ..Seen::nothing(Vec::new()) });
        let (runtime, ended) = (Arc::clone(&self.runtime), self.ended.clone());
        tokio::spawn(async move {
            runtime.stop(&name, Status::Removed, "its file was removed").await;
            let _ = ended.send(Ended { name, outcome: Outcome::Removed });
        });
    }

    fn look_at(&mut self, name: &PluginName, inside: bool) {
        let files = Files::of(&self.runtime.folder, name);
        let catalog = self.runtime.catalog();
        let aside = catalog.plugin(name).and_then(|plugin| plugin.version().zip(plugin.aside.as_ref()));
        let seen = self.seen.get_mut(name);
        if let Some(seen) = &seen
            && (seen.busy
                || !inside && !seen.is_overdue() && seen.gap.is_none() && seen.is_as(aside) && seen.look == files.look(&seen.secrets))
        {
            return;
        }
        let found = match files.read() {
            Ok(found) => found,
            Err(refusal) => {
                let look = files.look(&[]);
                // It may have gone just now, which the next look sees; or this was said before.
                if !files.are_there() || seen.as_ref().is_some_and(|seen| seen.gap.is_none() && seen.look == look) {
                    return;
                }
                let closed = refusal.word == "unreadable";
                let seen = self.seen.entry(name.clone()).or_insert_with(|| Seen::nothing(Vec::new()));
                if !closed || seen.is_gone() {
                    self.runtime.refuse(name, refusal);
                    *seen = Seen::nothing(look);
                }
                return;
            }
        };
        if let Some((serving, aside)) = aside
            && aside.by.file == found.file
        {
            let found = found.instead(&files, &serving.digest, &serving.file_text);
            return self.look_at_rest(name, found, aside);
        }
        if let Some(seen) = seen {
            if seen.has_text && !found.has_text && !seen.is_gone() {
                return;
            }
            if seen.content != found.content {
                return self.attempt(name, found);
            }
            (seen.look, seen.secrets, seen.gap) = (found.look, found.secrets, None);
            if seen.is_overdue()
                && let Some((_, refusal)) = seen.unfinished.take()
            {
                self.runtime.refuse(name, refusal);
            }
            return;
        }
        self.attempt(name, found);
    }

    /// What lies here was set aside by a rollback. What serves instead has secrets of its own, which may change.
    fn look_at_rest(&mut self, name: &PluginName, found: Found, aside: &Aside) {
        let mut seen = Seen::new(found.look, found.secrets, found.content, found.has_text);
        seen.aside = Some(aside.by.file.clone());
        let before = self.seen.get(name).filter(|before| before.aside == seen.aside).map_or(&aside.content, |before| &before.content);
        seen.busy = *before != seen.content;
        if seen.busy {
            let (runtime, ended, name) = (Arc::clone(&self.runtime), self.ended.clone(), name.clone());
            tokio::spawn(async move {
                let outcome = runtime.take_again(&name).await;
                let _ = ended.send(Ended { name, outcome });
            });
        } else {
            self.runtime.rests(name);
        }
        self.seen.insert(name.clone(), seen);
    }

    /// Tries what was found.
    fn attempt(&mut self, name: &PluginName, found: Found) {
        let mut seen = Seen::new(found.look, found.secrets, found.content, found.has_text);
        if found.blank {
            // Whoever writes it anew empties it first; without it the plugin would run with other settings meanwhile.
            let refusal = Refusal::new("settings-file", format!("{name}.toml is empty"), "write the settings into it, or remove it");
            if let Outcome::Unfinished(refusal) = self.runtime.wait_for_rest(name, refusal) {
                seen.unfinished = Some((Instant::now(), refusal));
            }
            self.seen.insert(name.clone(), seen);
            return;
        }
        self.seen.insert(name.clone(), Seen { busy: true, ..seen });
        let candidate = Candidate { name: name.clone(), bytes: found.bytes.into(), file_text: found.text };
        let (runtime, ended) = (Arc::clone(&self.runtime), self.ended.clone());
        tokio::spawn(async move {
            let name = candidate.name.clone();
            let outcome = runtime.take(candidate).await;
            let _ = ended.send(Ended { name, outcome });
        });
    }

    /// A trial ended: the file may have changed meanwhile.
    fn ended(&mut self, Ended { name, outcome }: Ended) {
        if let Some(seen) = self.seen.get_mut(&name) {
            seen.busy = false;
            match outcome {
                Outcome::Removed => drop(self.seen.remove(&name)),
                Outcome::Unfinished(refusal) => seen.unfinished = Some((Instant::now(), refusal)),
                Outcome::Refused { wants } => seen.wants = wants,
                Outcome::Taken | Outcome::Off => {}
            }
        }
    }
}

fn is_closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(event.kind, notify::EventKind::Access(AccessKind::Close(AccessMode::Write)))
}
