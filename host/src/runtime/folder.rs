//! The plugin folder: an inbox. What arrives is read, tried and taken, or refused with a reason; what serves is in
//! the store, not here.
//!
//! Notifications of the file system only say "look again". Looking is cheap, so it also happens once a second, for
//! file systems that do not notify, and once in a while by content, for those that lie about times.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use notify::Watcher as _;
use tokio::sync::{Notify, mpsc};

use super::load::{Candidate, Loaded, check_size};
use super::refusal::Refusal;
use super::{Event, EventKind, Runtime, Status, Version};
use crate::protocol::plugin::{ArtefactDigest, PluginName};
use crate::store::ActivePlugin;

/// How long a file may stay unfinished without growing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the folder is looked at when nothing is said.
const LOOK: Duration = Duration::from_secs(1);
/// How often files are read although they look unchanged.
const LOOK_INSIDE: Duration = Duration::from_secs(30);

/// What a file looks like from outside. The same look means the same content, mostly.
type Look = Vec<Option<(u64, u64, i64, i64, i64)>>;

/// What is known of one plugin's files.
struct Seen {
    look: Look,
    /// Digest of both files as they were last tried.
    content: ArtefactDigest,
    /// Since when it has been unfinished, as far as it got.
    unfinished: Option<Instant>,
    /// A trial is running; look again when it has ended.
    busy: bool,
    refused: bool,
}

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

/// A trial has ended.
struct Ended {
    name: PluginName,
    outcome: Outcome,
}

enum Outcome {
    Taken,
    Unfinished,
    Refused,
    Stopped,
}

impl Runtime {
    /// Brings back what served before, then takes what the folder holds, and goes on watching it. Returns when the
    /// folder was seen once.
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
        let mut inbox = Inbox { runtime: Arc::clone(self), seen: HashMap::new(), ended: ended_sender, inside: Instant::now() };
        inbox.adopt_serving();
        inbox.look(false);
        let (ready, seen_once) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(inbox.run(look, ended, ready));
        let _ = seen_once.await;
        Ok(Watching { task, _watcher: watcher })
    }

    /// Puts back what served when the host stopped: from the store, whatever the folder holds.
    async fn restore(self: &Arc<Self>) -> anyhow::Result<()> {
        let mut loading = tokio::task::JoinSet::new();
        for active in self.store.active_plugins().await? {
            if !self.folder.join(format!("{}.wasm", active.name)).exists() {
                tracing::info!("plugin {}: its file was removed while the host was stopped; it no longer serves", active.name);
                self.store.deactivate(&active.name).await?;
                continue;
            }
            let runtime = Arc::clone(self);
            loading.spawn(async move { runtime.restore_one(active).await });
        }
        while loading.join_next().await.is_some() {}
        Ok(())
    }

    async fn restore_one(&self, active: ActivePlugin) {
        let name = active.name.clone();
        let bytes = match self.store.artefact(&active.artefact).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return tracing::error!("plugin {name}: the store has no artefact {}", active.artefact.short()),
            Err(error) => return tracing::error!("plugin {name}: {error}"),
        };
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text: active.file };
        match self.load(&candidate, self.shared_of(&name)).await {
            Ok(Loaded::Version(version)) => self.serve(version, active.since, "serving again after a restart", None),
            Ok(_) => tracing::error!("plugin {name}: what served before is not a plugin"),
            Err(refusal) => {
                tracing::error!("plugin {name}: what served before no longer does {refusal}");
                self.publish(&name, |plugin| plugin.status = Status::Refused(Box::new(refusal)));
            }
        }
    }

    fn serve(&self, version: Arc<Version>, since: jiff::Timestamp, how: &str, took_ms: Option<u64>) {
        let named = (version.description.version.clone(), version.digest.clone());
        let event = Event { at: since, kind: EventKind::Serving, text: how.to_owned(), version: Some(named), took_ms };
        self.publish(&version.name.clone(), |plugin| {
            plugin.serving = Some(version);
            plugin.status = Status::Serving;
            plugin.events.push(event);
        });
    }

    /// Tries a candidate and publishes what became of it.
    async fn take(&self, candidate: Candidate) -> Outcome {
        let start = Instant::now();
        let name = candidate.name.clone();
        match self.load(&candidate, self.shared_of(&name)).await {
            Ok(Loaded::Unfinished) => {
                self.publish(&name, |plugin| plugin.status = Status::Waiting);
                Outcome::Unfinished
            }
            Ok(Loaded::Disabled) => {
                self.stop(&name, Status::Off, "turned off by its .toml file").await;
                Outcome::Stopped
            }
            Ok(Loaded::Version(version)) => match self.catalog().channel_conflict(&version) {
                Some(refusal) => self.refuse(&name, refusal),
                None => self.replace(version, candidate.bytes, start).await,
            },
            Err(refusal) => self.refuse(&name, refusal),
        }
    }

    /// Remembers the version, then publishes it.
    async fn replace(&self, version: Arc<Version>, bytes: Arc<[u8]>, start: Instant) -> Outcome {
        let name = version.name.clone();
        let active =
            ActivePlugin { name: name.clone(), artefact: version.digest.clone(), file: version.file_text.clone(), since: version.since };
        if let Err(error) = self.store.activate(active, bytes).await {
            return self.refuse(
                &name,
                Refusal::new("store", error.to_string(), "see what the store says; the file is tried again when it changes"),
            );
        }
        let old = self.catalog().plugin(&name).and_then(|plugin| plugin.serving.clone());
        let replaced = old.as_ref().map_or_else(String::new, |old| {
            let in_flight = match old.calls_in_flight() {
                0 => String::new(),
                1 => "; 1 call finishes on the old one".to_owned(),
                calls => format!("; {calls} calls finish on the old one"),
            };
            format!(", replaced {} ({}){in_flight}", old.description.version, old.digest.short())
        });
        let took = start.elapsed().as_millis();
        tracing::info!("plugin {name}: {} ({}) serving{replaced}; {took} ms", version.description.version, version.digest.short());
        let missing = version.missing_permissions().as_options();
        if !missing.is_empty() {
            tracing::warn!(
                "plugin {name}: asks for more than it may; until then that is refused.  do: ciba-host plugin allow {name} {missing}"
            );
        }
        let since = version.since;
        self.serve(version, since, replaced.trim_start_matches(", "), u64::try_from(took).ok());
        Outcome::Taken
    }

    fn refuse(&self, name: &PluginName, refusal: Refusal) -> Outcome {
        let serving = self.catalog().plugin(name).and_then(|plugin| plugin.serving.clone());
        let still = serving.map_or_else(
            || "nothing serves under this name".to_owned(),
            |version| format!("still serving: {} {} ({})", name, version.description.version, version.digest.short()),
        );
        tracing::error!("plugin {name}.wasm refused {refusal}\n  {still}");
        let event = self.event(EventKind::Refused, refusal.to_string());
        self.publish(name, |plugin| {
            plugin.status = Status::Refused(Box::new(refusal));
            plugin.events.push(event);
        });
        Outcome::Refused
    }

    /// Takes a plugin out of service and says what no longer happens.
    async fn stop(&self, name: &PluginName, status: Status, why: &str) {
        if let Err(error) = self.store.deactivate(name).await {
            tracing::error!("plugin {name}: {error}");
        }
        let served = self.catalog().plugin(name).and_then(|plugin| plugin.serving.clone());
        if let Some(version) = &served {
            let channels = version.description.channels.join(", ");
            tracing::warn!("plugin {name}: {why}; nobody is notified on the channel {channels} any more");
        }
        let event = self.event(EventKind::Stopped, why);
        self.publish(name, |plugin| {
            if plugin.serving.take().is_some() || plugin.status != status {
                plugin.events.push(event);
            }
            plugin.status = status;
        });
    }
}

/// What the watching task holds.
struct Inbox {
    runtime: Arc<Runtime>,
    seen: HashMap<PluginName, Seen>,
    ended: mpsc::UnboundedSender<Ended>,
    /// When files were last read although they looked unchanged.
    inside: Instant,
}

impl Inbox {
    async fn run(mut self, look: Arc<Notify>, mut ended: mpsc::UnboundedReceiver<Ended>, ready: tokio::sync::oneshot::Sender<()>) {
        let mut ready = Some(ready);
        loop {
            if !self.seen.values().any(|seen| seen.busy)
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(());
            }
            tokio::select! {
                () = look.notified() => self.look(false),
                Some(ended) = ended.recv() => self.ended(&ended),
                () = tokio::time::sleep(LOOK) => {
                    let inside = self.inside.elapsed() >= LOOK_INSIDE;
                    if inside {
                        self.inside = Instant::now();
                    }
                    self.look(inside);
                }
            }
        }
    }

    /// What was brought back from the store need not be tried again when the folder holds the same.
    fn adopt_serving(&mut self) {
        for (name, plugin) in self.runtime.catalog().plugins() {
            let Some(version) = &plugin.serving else { continue };
            let content = content_digest(&version.digest, &version.file_text);
            self.seen.insert(name.clone(), Seen { look: Vec::new(), content, unfinished: None, busy: false, refused: false });
        }
    }

    /// Looks at every file; reads those that look changed, or all of them.
    fn look(&mut self, inside: bool) {
        let names = match names_in(&self.runtime.folder) {
            Ok(names) => names,
            Err(error) => return tracing::error!(%error, "the plugin folder cannot be read; what serves goes on serving"),
        };
        let gone: Vec<PluginName> =
            self.seen.iter().filter(|(name, seen)| !names.contains(*name) && !seen.busy).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.seen.remove(&name);
            self.remove(name);
        }
        for name in names {
            self.look_at(&name, inside);
        }
    }

    fn remove(&mut self, name: PluginName) {
        self.seen.insert(
            name.clone(),
            Seen { look: Vec::new(), content: ArtefactDigest(String::new()), unfinished: None, busy: true, refused: false },
        );
        let (runtime, ended) = (Arc::clone(&self.runtime), self.ended.clone());
        tokio::spawn(async move {
            runtime.stop(&name, Status::Removed, "its file was removed").await;
            let _ = ended.send(Ended { name, outcome: Outcome::Stopped });
        });
    }

    fn look_at(&mut self, name: &PluginName, inside: bool) {
        let files = [self.runtime.folder.join(format!("{name}.wasm")), self.runtime.folder.join(format!("{name}.toml"))];
        let look: Look = files.iter().map(|path| look_of(path)).collect();
        let seen = self.seen.get_mut(name);
        if let Some(seen) = &seen {
            let overdue = seen.unfinished.is_some_and(|since| since.elapsed() >= PATIENCE);
            if seen.busy || (seen.look == look && !inside && !overdue) {
                return;
            }
        }
        let (bytes, file_text) = match read(&files) {
            Ok(read) => read,
            Err(refusal) => {
                if seen.is_none_or(|seen| seen.look != look) {
                    self.runtime.refuse(name, refusal);
                    let content = ArtefactDigest(String::new());
                    self.seen.insert(name.clone(), Seen { look, content, unfinished: None, busy: false, refused: true });
                }
                return;
            }
        };
        let content = content_digest(&ArtefactDigest::of(&bytes), &file_text);
        let mut unfinished = None;
        if let Some(seen) = seen {
            if seen.content == content {
                seen.look = look;
                let Some(since) = seen.unfinished.filter(|since| since.elapsed() >= PATIENCE) else { return };
                seen.unfinished = None;
                seen.refused = true;
                let what =
                    format!("it ends in the middle, after {} bytes, and has not grown for {} s", bytes.len(), since.elapsed().as_secs());
                self.runtime.refuse(name, Refusal::new("truncated", what, "copy it again"));
                return;
            }
            unfinished = seen.unfinished.map(|_| Instant::now());
        }
        self.seen.insert(name.clone(), Seen { look, content, unfinished, busy: true, refused: false });
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text };
        let (runtime, ended) = (Arc::clone(&self.runtime), self.ended.clone());
        tokio::spawn(async move {
            let name = candidate.name.clone();
            let outcome = runtime.take(candidate).await;
            let _ = ended.send(Ended { name, outcome });
        });
    }

    /// A trial ended: the file may have changed meanwhile.
    fn ended(&mut self, ended: &Ended) {
        if let Some(seen) = self.seen.get_mut(&ended.name) {
            seen.busy = false;
            seen.refused = matches!(ended.outcome, Outcome::Refused);
            seen.unfinished = matches!(ended.outcome, Outcome::Unfinished).then(|| seen.unfinished.unwrap_or_else(Instant::now));
        }
        if matches!(ended.outcome, Outcome::Stopped) {
            // What was refused because of it may now be taken.
            for seen in self.seen.values_mut().filter(|seen| seen.refused) {
                seen.look.clear();
                seen.content = ArtefactDigest(String::new());
            }
        }
        self.look(false);
    }
}

fn is_closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(event.kind, notify::EventKind::Access(AccessKind::Close(AccessMode::Write)))
}

/// The names of the `.wasm` files.
fn names_in(folder: &Path) -> io::Result<HashSet<PluginName>> {
    let mut names = HashSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        match path.file_stem().and_then(|stem| stem.to_str()).map(PluginName::parse) {
            Some(Ok(name)) => drop(names.insert(name)),
            Some(Err(why)) => tracing::debug!("{}: {why}", path.display()),
            None => tracing::debug!("{}: its name is not UTF-8", path.display()),
        }
    }
    Ok(names)
}

/// Length, node and times, through symbolic links, so that a swapped link shows.
fn look_of(path: &Path) -> Option<(u64, u64, i64, i64, i64)> {
    let about = fs::metadata(path).ok()?;
    Some((about.len(), about.ino(), about.mtime(), about.mtime_nsec(), about.ctime_nsec()))
}

fn read(files: &[PathBuf; 2]) -> Result<(Vec<u8>, String), Refusal> {
    let unreadable =
        |path: &Path, error: &io::Error| Refusal::new("unreadable", format!("{}: {error}", path.display()), "let the host read it");
    let [wasm, toml] = files;
    let length = fs::metadata(wasm).map_err(|error| unreadable(wasm, &error))?.len();
    check_size(wasm, length)?;
    let bytes = fs::read(wasm).map_err(|error| unreadable(wasm, &error))?;
    let text = match fs::read(toml) {
        Ok(text) => String::from_utf8(text)
            .map_err(|_| Refusal::new("settings-file", format!("{} is not UTF-8", toml.display()), "save it as UTF-8"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(toml, &error)),
    };
    Ok((bytes, text))
}

/// One digest for both files.
fn content_digest(wasm: &ArtefactDigest, file_text: &str) -> ArtefactDigest {
    ArtefactDigest::of(format!("{}\0{file_text}", wasm.0).as_bytes())
}
