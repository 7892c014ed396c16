//! What becomes of a candidate: published, refused, or waited for; and how a plugin ends.

use std::sync::Arc;
use std::time::Instant;

use super::catalog::{Catalog, Event, EventKind, Status};
use super::files::Files;
use super::load::{Candidate, Loaded};
use super::refusal::Refusal;
use super::rollback::Aside;
use super::{Plugin, Runtime, Version};
use crate::protocol::plugin::PluginName;
use crate::store::{Activation, ActivePlugin, AuditEntry, StoreError};

/// Why a plugin is off.
const OFF: &str = "turned off: mode = \"off\" in its .toml file";
/// What is said of a version that may not serve.
const RESTS: &str = "ready, and turned off by command";

/// How a candidate ended.
pub(super) enum Outcome {
    /// It serves.
    Taken,
    /// A part of it is missing. This is what is wrong with it if no more comes.
    Unfinished(Refusal),
    /// It was not taken. It will be looked at again when another plugin gives up one of these channels.
    Refused { wants: Vec<String> },
    /// It stays out of service.
    Off,
    /// Its file is gone.
    Removed,
}

/// Why a version takes the place of another that is not in the folder.
#[derive(Default)]
pub(super) struct Back {
    /// What lies in the folder instead.
    pub(super) aside: Option<Aside>,
    /// Who rolled back to it.
    pub(super) by: Option<String>,
    /// Written with it.
    pub(super) audit: Option<AuditEntry>,
}

impl Runtime {
    /// Puts back what served when the host stopped: from the store, whatever the folder holds.
    pub(super) async fn restore(self: &Arc<Self>) -> anyhow::Result<()> {
        let mut loading = tokio::task::JoinSet::new();
        for active in self.store.active_plugins().await? {
            if !Files::of(&self.folder, &active.name).are_there() {
                let why = "its file was removed while the host was stopped";
                tracing::warn!("plugin {}: {why}; it no longer serves", active.name);
                self.store.deactivate(&active.name, self.by_file("plugin stopped", &format!("{}: {why}", active.name))).await?;
                continue;
            }
            let runtime = Arc::clone(self);
            loading.spawn(async move {
                let loaded = runtime.load_again(&active).await;
                (active, loaded)
            });
        }
        let mut loaded = loading.join_all().await;
        // Who served a channel first keeps it: what a plugin says of itself may be another thing after every start.
        loaded.sort_by(|(one, _), (other, _)| (one.since, &one.name).cmp(&(other.since, &other.name)));
        let _turn = self.publishing.lock().await;
        // Of a thousand plugins each would otherwise be published with all before it.
        let mut catalog = Catalog::clone(&self.catalog());
        for (ActivePlugin { name, since, set_aside, serves, .. }, loaded) in loaded {
            let conflict = |version: Arc<Version>| match catalog.channel_conflict(&version) {
                Some(refusal) => Err(refusal),
                None => Ok(version),
            };
            match loaded.map(|loaded| loaded.and_then(conflict)) {
                Some(Ok(version)) => {
                    // It may have been turned on or off while the host was stopped.
                    if serves == version.rests() {
                        self.turn(&version).await?;
                    }
                    let aside = set_aside.map(|by| self.aside(by, &version.digest, &version.file_text));
                    let served = serving(version, since, "serving again after a restart", None, aside);
                    catalog.change(&name, self.shared_of(&name), served);
                }
                Some(Err(refusal)) => {
                    tracing::error!("plugin {name}: what served before no longer does {refusal}");
                    catalog.change(&name, self.shared_of(&name), |plugin| plugin.status = Status::Refused(Box::new(refusal)));
                }
                None => {}
            }
        }
        self.publish_first(catalog);
        Ok(())
    }

    /// Loads what served before. `None` where there is nothing to load, which was said.
    async fn load_again(&self, active: &ActivePlugin) -> Option<Result<Arc<Version>, Refusal>> {
        let name = &active.name;
        let bytes = match self.store.artefact(&active.artefact).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                tracing::error!("plugin {name}: the store has no artefact {}", active.artefact.short());
                return None;
            }
            Err(error) => {
                tracing::error!("plugin {name}: {error}");
                return None;
            }
        };
        let candidate = Candidate { name: name.clone(), bytes: bytes.into(), file_text: active.file.clone() };
        match self.load(&candidate, self.shared_of(name)).await {
            Ok(Loaded::Version(version)) => Some(Ok(version)),
            Ok(Loaded::Off) => {
                self.stop(name, Status::Off, OFF).await;
                None
            }
            Ok(Loaded::Unfinished(_)) => {
                tracing::error!("plugin {name}: what served before is not a plugin");
                None
            }
            Err(refusal) => Some(Err(refusal)),
        }
    }

    fn serve(&self, version: Arc<Version>, since: jiff::Timestamp, how: &str, took_ms: Option<u64>, aside: Option<Aside>) {
        self.publish(&version.name.clone(), serving(version, since, how, took_ms, aside));
        self.serving_changed();
    }

    /// Tries a candidate and publishes what became of it.
    pub(super) async fn take(&self, candidate: Candidate) -> Outcome {
        let start = Instant::now();
        let name = candidate.name.clone();
        match self.load(&candidate, self.shared_of(&name)).await {
            Ok(Loaded::Unfinished(refusal)) => self.wait_for_rest(&name, refusal),
            Ok(Loaded::Off) => {
                self.stop(&name, Status::Off, OFF).await;
                Outcome::Off
            }
            Ok(Loaded::Version(version)) => {
                // One after the other, or two for the same channel could both find it free.
                let _turn = self.publishing.lock().await;
                let version = self.as_said(version);
                if self.is_aside(&version) {
                    // An operator rolled back while it was tried.
                    return Outcome::Taken;
                }
                match self.catalog().channel_conflict(&version) {
                    Some(refusal) => {
                        self.refuse(&name, refusal);
                        Outcome::Refused { wants: version.description.channels.clone() }
                    }
                    None => match self.put_in_place(version, candidate.bytes, start, None).await {
                        Ok(()) => Outcome::Taken,
                        Err(error) => self.refuse(&name, not_kept(&error)),
                    },
                }
            }
            Err(refusal) => self.refuse(&name, refusal),
        }
    }

    /// Remembers the version, then publishes it.
    pub(super) async fn put_in_place(
        &self,
        version: Arc<Version>,
        bytes: Arc<[u8]>,
        start: Instant,
        back: Option<Back>,
    ) -> Result<(), StoreError> {
        let name = version.name.clone();
        let Back { aside, by, audit } = back.unwrap_or_default();
        let (serves, rolled_back_by) = (!version.rests(), by.clone());
        let by = by.map_or_else(String::new, |who| format!("rolled back by {who}"));
        let does = if serves { version.does() } else { "taken, and turned off by command".to_owned() };
        let audit = audit.unwrap_or_else(|| {
            let (version, digest) = (&version.description.version, &version.digest.0);
            let does = if does == "serving" { String::new() } else { format!(", {does}") };
            self.by_file("plugin serving", &format!("{name} {version} {digest}{does}"))
        });
        let activation = Activation {
            plugin: ActivePlugin {
                name: name.clone(),
                artefact: version.digest.clone(),
                file: version.file_text.clone(),
                since: version.since,
                set_aside: aside.as_ref().map(|aside| aside.by.clone()),
                serves,
            },
            bytes,
            version: version.description.version.clone(),
            settings: version.shown_settings.to_string(),
            observes: version.callable.hooks.observe.is_some(),
            rolled_back_by,
            audit,
        };
        self.store.activate(activation).await?;
        let old = self.catalog().plugin(&name).and_then(|plugin| plugin.version().cloned());
        let replaced = old.as_ref().map_or_else(String::new, |old| {
            let in_flight = match old.calls_in_flight() {
                0 => String::new(),
                1 => "; 1 call finishes on the old one".to_owned(),
                calls => format!("; {calls} calls finish on the old one"),
            };
            format!(", replaced {} ({}){in_flight}", old.description.version, old.digest.short())
        });
        let replaced = if by.is_empty() { replaced } else { format!(", {by}{replaced}") };
        let took = start.elapsed().as_millis();
        tracing::info!("plugin {name}: {} ({}) {does}{replaced}; {took} ms", version.description.version, version.digest.short());
        let missing = version.missing_permissions().as_options();
        if !missing.is_empty() {
            tracing::warn!(
                "plugin {name}: asks for more than it may; until then that is refused.  do: ciba-host plugin allow {name} {missing}"
            );
        }
        let replaced = if does == "serving" { replaced.trim_start_matches(", ").to_owned() } else { does + &replaced };
        self.serve(Arc::clone(&version), version.since, &replaced, u64::try_from(took).ok(), aside);
        self.warn_beside(&name);
        Ok(())
    }

    /// Says that a file is not whole yet. What served goes on serving.
    pub(super) fn wait_for_rest(&self, name: &PluginName, refusal: Refusal) -> Outcome {
        self.publish(name, |plugin| plugin.status = Status::Waiting);
        Outcome::Unfinished(refusal)
    }

    /// Says why a file was not taken. What served goes on serving.
    pub(super) fn refuse(&self, name: &PluginName, refusal: Refusal) -> Outcome {
        let serving = self.catalog().plugin(name).and_then(|plugin| plugin.serving.clone());
        let still = serving.map_or_else(
            || "nothing serves under this name".to_owned(),
            |version| format!("still serving: {} {} ({})", name, version.description.version, version.digest.short()),
        );
        tracing::error!("plugin {name}.wasm refused {refusal}\n  {still}");
        let event = self.event(EventKind::Refused, refusal.to_string());
        self.write_down(self.by_file("plugin refused", &format!("{name} [{}]: {}", refusal.word, refusal.what)));
        self.publish(name, |plugin| {
            plugin.status = Status::Refused(Box::new(refusal));
            plugin.events.push(event);
        });
        Outcome::Refused { wants: Vec::new() }
    }

    /// Takes a plugin out of service and says what no longer happens.
    pub(super) async fn stop(&self, name: &PluginName, status: Status, why: &str) {
        if let Err(error) = self.store.deactivate(name, self.by_file("plugin stopped", &format!("{name}: {why}"))).await {
            tracing::error!("plugin {name}: {error}");
        }
        let served = self.catalog().plugin(name).and_then(|plugin| plugin.serving.clone());
        let said = served.as_ref().map_or_else(|| why.to_owned(), |version| format!("{why}; {}", version.without_it()));
        if served.is_some() {
            tracing::warn!("plugin {name}: {said}");
        } else {
            tracing::info!("plugin {name}: {said}; nothing served under this name");
        }
        let event = self.event(EventKind::Stopped, said);
        self.publish(name, |plugin| {
            plugin.resting = None;
            if plugin.serving.take().is_some() || plugin.status != status {
                plugin.events.push(event);
            }
            plugin.status = status;
            plugin.aside = None;
        });
        self.warn_beside(name);
    }

    /// A line of the audit log for what somebody did with a file.
    pub(super) fn by_file(&self, what: &str, about: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: "file".to_owned(), what: what.to_owned(), about: about.to_owned() }
    }

    /// Writes such a line where nothing else is written, and nobody waits for it.
    fn write_down(&self, entry: AuditEntry) {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            if let Err(error) = store.audit(entry).await {
                tracing::error!("the audit log cannot be written: {error}");
            }
        });
    }
}

/// It was good, and the store could not keep it.
pub(super) fn not_kept(error: &StoreError) -> Refusal {
    Refusal::new("store", error.to_string(), "see what the store says; the file is tried again when it changes")
}

/// The change by which a version begins to serve, or to rest.
fn serving(
    version: Arc<Version>,
    since: jiff::Timestamp,
    how: &str,
    took_ms: Option<u64>,
    aside: Option<Aside>,
) -> impl FnOnce(&mut Plugin) + use<> {
    let named = (version.description.version.clone(), version.digest.clone());
    let (kind, how) = if version.rests() { (EventKind::Stopped, RESTS) } else { (EventKind::Serving, how) };
    let event = Event { at: since, kind, text: how.to_owned(), version: Some(named), took_ms };
    move |plugin| {
        plugin.put(version);
        plugin.aside = aside;
        plugin.events.push(event);
    }
}
