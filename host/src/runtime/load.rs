//! From a file's bytes to a version that may serve: look, compile, compare, try. Any step can refuse.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::Component;

use super::contract::exports::ciba::interception as exported;
use super::given::Given;
use super::guest::Guest;
use super::hooks::Hooks;
use super::instances::Instances;
use super::refusal::Refusal;
use super::settings::Secrets;
use super::shape::{self, Lacks, Sniffed};
use super::shared::Shared;
use super::version::{CallFailure, Callable, Description, Version};
use super::{Runtime, settings};
use crate::protocol::plugin::{ArtefactDigest, Mode, Permissions, PluginFile, PluginName, is_origin, is_plain_pointer};

/// A hostile file can be made to compile for very long.
const COMPILE: Duration = Duration::from_secs(60);
/// Files up to this size have a lane of their own, so that a big one does not hold up their swap.
const SMALL: usize = 2 << 20;
/// The longest name, version, summary or channel a plugin may give, in bytes.
const TEXT_MAX: usize = 200;
/// The longest schema, in bytes.
const SCHEMA_MAX: usize = 64 << 10;
/// The most channels, and the most things to ask for.
const LISTED_MAX: usize = 32;

/// What is to be loaded.
pub struct Candidate {
    /// The plugin.
    pub name: PluginName,
    /// The component.
    pub bytes: Arc<[u8]>,
    /// The text of `name.toml`; empty when there is none.
    pub file_text: String,
}

/// What a file turned out to be.
pub enum Loaded {
    /// It may serve.
    Version(Arc<Version>),
    /// A part of it is missing, which may still be arriving. This is what is wrong with it if no more comes.
    Unfinished(Refusal),
    /// It is to stay out of service: `mode = "off"`.
    Off,
}

impl Runtime {
    /// Takes a candidate through every step that does not change anything.
    ///
    /// # Errors
    /// The step that refused, in plain words.
    pub async fn load(&self, candidate: &Candidate, shared: Arc<Shared>) -> Result<Loaded, Refusal> {
        let file = parse_file(&candidate.name, &candidate.file_text)?;
        let written = (file.mode, file.order);
        let file = self.words_of(&candidate.name).over(file);
        // What was turned off by command is ready to be turned on again.
        if file.mode == Mode::Off && written.0 == Mode::Off {
            return Ok(Loaded::Off);
        }
        if shape::sniff(&candidate.bytes)? == Sniffed::Unfinished {
            let what = format!("it ends in the middle, after {} bytes", candidate.bytes.len());
            return Ok(Loaded::Unfinished(Refusal::new("truncated", what, "copy it again")));
        }
        let digest = ArtefactDigest::of(&candidate.bytes);
        let component = self.component(&candidate.bytes, &digest).await?;
        let exported = shape::compare(&component)?;
        match exported.lacks() {
            None => {}
            Some(Lacks::Rest(refusal)) => return Ok(Loaded::Unfinished(refusal)),
            Some(Lacks::Everything(refusal)) => return Err(refusal),
        }
        let pre = self.linker.instantiate_pre(&component).map_err(|error| {
            Refusal::new("wrong-import", format!("an import does not have the shape this host gives it: {}", error.root_cause()), REBUILD)
        })?;
        let wrong = |error: wasmtime::Error| Refusal::new("wrong-export", error.root_cause().to_string(), REBUILD);
        let limits = self.limits_of(&candidate.name);
        let (settings, secrets) = settings::resolve(&file.settings, &self.folder, &self.config.own)?;
        let on_trial = Arc::new(shared.on_trial(&limits));
        let callable = Callable {
            hooks: Hooks::of(&pre, &exported).map_err(wrong)?,
            pre,
            // Until it has said which of them are secret, it has none.
            given: Arc::default(),
            secrets: Arc::new(secrets),
            handed_out: Arc::clone(&on_trial.handed_out),
            places: self.engine.places_of(&component),
            limits: limits.for_trial(),
            client: self.door.client(),
            house: Arc::clone(&self.house),
            // A trial may do nothing, and is compared with nobody's.
            comparison: None,
        };
        // It takes of the pool like a call does, and waits for its turn like one: those have an end.
        let place = self.places.for_trial(callable.places).await;
        let tried = {
            let (shared, written) = (Arc::clone(&on_trial), file.settings.clone());
            self.guests().spawn(async move {
                let _place = place;
                trial(&callable, settings, &written, &shared).await.map(|tried| (callable, tried))
            })
        };
        let tried = tried.await;
        shared.keep_lines_of(&on_trial);
        let fault = |error: tokio::task::JoinError| Refusal::new("trial", error.to_string(), "this is a fault of the host: report it");
        let (mut callable, Tried { description, shown_settings, secrets, given }) = tried.map_err(fault)??;
        callable.limits = limits;
        callable.secrets = secrets;
        callable.handed_out = Arc::clone(&shared.handed_out);
        callable.given = given;
        callable.comparison = (file.mode == Mode::Shadow).then(Arc::default);
        Ok(Loaded::Version(Arc::new(Version {
            name: candidate.name.clone(),
            instances: Instances::of(&file, &self.places),
            digest,
            description,
            file,
            written,
            file_text: candidate.file_text.clone(),
            hooks: exported.hooks,
            since: self.clock.now(),
            shared,
            callable: Arc::new(callable),
            shown_settings,
            calls_at_once: Arc::new(Semaphore::new(limits.concurrency.max(1) as usize)),
            in_flight: AtomicUsize::new(0),
        })))
    }

    /// From the cache, or compiled now, on a thread that may take its time.
    async fn component(&self, bytes: &Arc<[u8]>, digest: &ArtefactDigest) -> Result<Component, Refusal> {
        let lane = if bytes.len() <= SMALL { &self.small_lane } else { &self.large_lane };
        let cache = Arc::clone(&self.cache);
        let (engine, to_compile, digest) = (self.engine.wasm.clone(), Arc::clone(bytes), digest.clone());
        let lane = Arc::clone(lane);
        let cached = {
            let (cache, engine, digest) = (Arc::clone(&cache), engine.clone(), digest.clone());
            tokio::task::spawn_blocking(move || cache.load(&engine, &digest)).await.ok().flatten()
        };
        if let Some(component) = cached {
            return Ok(component);
        }
        // One at a time. A compile that is given up keeps its place until it ends; those behind it have all the time
        // they need, for it is not theirs.
        let place = lane.acquire_owned().await;
        let compiled = tokio::task::spawn_blocking(move || {
            let _place = place;
            // Another plugin with the same code may just have been there.
            if let Some(component) = cache.load(&engine, &digest) {
                return Ok(component);
            }
            let component = Component::new(&engine, &to_compile).map_err(|error| format!("{:#}", error.root_cause()))?;
            cache.store(&component, &digest);
            Ok(component)
        });
        let patience = self.config.compile.unwrap_or(COMPILE);
        match tokio::time::timeout(patience, compiled).await.map(|compiled| compiled.unwrap_or_else(|error| Err(error.to_string()))) {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(why)) => Err(shape::does_not_compile(bytes, why)),
            Err(_) => Err(Refusal::new(
                "compile-time",
                format!("compiling it took more than {} s", patience.as_secs()),
                "make it smaller, or raise plugins.compile_seconds",
            )),
        }
    }
}

const REBUILD: &str = "rebuild against this host's wit/, then `ciba-host plugin check FILE`";

/// Reads `name.toml`, saying which line is wrong.
fn parse_file(name: &PluginName, text: &str) -> Result<PluginFile, Refusal> {
    let refuse = |what: String| {
        Refusal::new("settings-file", what, "it has `mode`, `beside`, `share`, `order`, `fail`, `instances`, `[settings]` and `[asks]`")
    };
    let file: PluginFile = toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let what = if error.message().starts_with("unknown field `enabled`") {
            "`enabled` is not a key of it: write `mode = \"off\"` to take the plugin out of service, and nothing to have it serve"
        } else {
            error.message()
        };
        refuse(format!("{name}.toml:{line}: {what}"))
    })?;
    for (key, value) in [("instances", file.warm_instances), ("calls", file.warm_calls), ("seconds", file.warm_seconds)] {
        if value == 0 {
            let what = format!("{name}.toml: `warm_{key}` is 0: at least 1, or `instances = \"fresh\"` to keep none");
            return Err(refuse(what));
        }
    }
    if !(1..=100).contains(&file.share) {
        return Err(refuse(format!("{name}.toml: `share` is {}: 1 to 100 per cent, or `mode = \"off\"` for none", file.share)));
    }
    if let Some(beside) = &file.beside {
        PluginName::parse(beside.as_str()).map_err(|what| refuse(format!("{name}.toml: `beside`: {what}")))?;
        if beside == name {
            return Err(refuse(format!("{name}.toml: `beside` is the plugin itself: name the one that it is tried beside")));
        }
    }
    if let Some(other) = file.asks.reveal.iter().find(|asked| !is_plain_pointer(asked)) {
        return Err(refuse(format!(
            "{name}.toml: `{other}` in [asks] is not a JSON Pointer of letters, digits and ._~-: write for example /token"
        )));
    }
    match file.asks.http.iter().find(|asked| !is_origin(asked)) {
        Some(other) => Err(refuse(format!(
            "{name}.toml: `{other}` in [asks] is not an origin as requests have them: write for example https://push.example.com"
        ))),
        None => Ok(file),
    }
}

/// What a trial found out.
struct Tried {
    description: Description,
    shown_settings: Value,
    secrets: Arc<Secrets>,
    given: Arc<Given>,
}

/// Instantiates the component, loads every hook it exports, and lets it describe itself. Never calls a hook. `settings`
/// are its settings, `written` the same as they stand in the file.
async fn trial(callable: &Callable, settings: Value, written: &toml::Table, shared: &Arc<Shared>) -> Result<Tried, Refusal> {
    let author = "this is for the plugin's author: `ciba-host plugin check FILE` shows the same";
    let mut store = callable.store(shared);
    let wall = callable.limits.wall();
    let running = store.data().running.clone();
    let tried = tokio::time::timeout(wall, running.count(try_all(callable, settings, written, &mut store))).await;
    let result = match tried {
        Err(_) => Err(Refusal::new("trial", CallFailure::WallTime(wall).to_string(), author)),
        Ok(Err(TrialError::Refused(mut refusal))) => {
            refusal.what = callable.secrets.blank(&callable.handed_out.blank(&refusal.what)).into_owned();
            Err(refusal)
        }
        Ok(Err(TrialError::Wasm(step, error))) => {
            let failure = callable.explain(&store, &error);
            Err(Refusal::new("trial", format!("{step}: {failure}"), author))
        }
        Ok(Ok(tried)) => Ok(tried),
    };
    store.data().flush_output();
    result
}

enum TrialError {
    Wasm(&'static str, wasmtime::Error),
    Refused(Refusal),
}

async fn try_all(callable: &Callable, settings: Value, written: &toml::Table, store: &mut Store<Guest>) -> Result<Tried, TrialError> {
    let step = |step: &'static str| move |error| TrialError::Wasm(step, error);
    let instance = callable.pre.instantiate_async(&mut *store).await.map_err(step("instantiate"))?;
    let shaped = |error: wasmtime::Error| TrialError::Refused(Refusal::new("wrong-export", error.root_cause().to_string(), REBUILD));
    callable.hooks.load(store, &instance).map_err(shaped)?;
    let plugin = exported::plugin::GuestIndices::new(&callable.pre).map_err(shaped)?.load(&mut *store, &instance).map_err(shaped)?;
    let said = plugin.call_describe(&mut *store).await.map_err(step("describe"))?;
    let mut description = describe(said, callable.hooks.notify.is_some()).map_err(TrialError::Refused)?;
    // Whoever can be called by HTTP asks for it, whatever it says.
    description.needs.inbound |= callable.hooks.incoming_handler.is_some();
    settings::check(&description.schema, &settings).map_err(TrialError::Refused)?;
    let mut secrets = Secrets::clone(&callable.secrets);
    let shown_settings = settings::redact(written, &description.schema, &mut secrets);
    let secrets = Arc::new(secrets);
    store.data().log.hide(Arc::clone(&secrets));
    let given = Arc::new(Given::of(settings, &description.schema));
    store.data_mut().given = Arc::clone(&given);
    let settings = given.settings.to_string();
    let verdict = plugin.call_validate_settings(&mut *store, &settings).await.map_err(step("validate-settings"))?;
    match verdict {
        Ok(()) => Ok(Tried { description, shown_settings, secrets, given }),
        Err(problems) => {
            let problems: Vec<String> = problems
                .iter()
                .take(5)
                .map(|problem| format!("{}: {}", if problem.setting.is_empty() { "settings" } else { &problem.setting }, problem.message))
                .collect();
            // Before anything is cut: a part of a secret would not be found.
            let what = secrets.blank(&callable.handed_out.blank(&problems.join("; "))).chars().take(1_000).collect::<String>();
            Err(TrialError::Refused(Refusal::new("settings", what, "mend the [settings] in the .toml file beside the plugin")))
        }
    }
}

/// What the plugin says of itself, with every text bounded.
fn describe(said: exported::plugin::Description, notifies: bool) -> Result<Description, Refusal> {
    let refuse = |what: String| Refusal::new("describe", what, "this is for the plugin's author");
    if said.channels.len() > LISTED_MAX || said.needs.len() > LISTED_MAX {
        return Err(refuse(format!("its description names more than {LISTED_MAX} channels or needs")));
    }
    for (field, text) in [("name", &said.name), ("version", &said.version), ("summary", &said.summary)]
        .into_iter()
        .chain(said.channels.iter().map(|channel| ("channels", channel)))
    {
        if text.len() > TEXT_MAX || text.chars().any(crate::protocol::binding_message::is_unshowable) {
            return Err(refuse(format!("`{field}` in its description is longer than {TEXT_MAX} bytes or cannot be shown")));
        }
    }
    if said.version.is_empty() {
        return Err(refuse("its description has no version".to_owned()));
    }
    if notifies && said.channels.is_empty() {
        return Err(refuse("it exports notify and names no channel it serves".to_owned()));
    }
    if said.settings_schema.len() > SCHEMA_MAX {
        return Err(refuse(format!("its settings schema is longer than {SCHEMA_MAX} bytes")));
    }
    let schema =
        serde_json::from_str(&said.settings_schema).map_err(|error| refuse(format!("its settings schema is not JSON: {error}")))?;
    let mut needs = Permissions::default();
    for need in said.needs {
        match need {
            exported::plugin::Need::Http(origin) if origin == "*" || is_origin(&origin) => drop(needs.http.insert(origin)),
            exported::plugin::Need::Http(other) => {
                return Err(refuse(format!("it needs HTTP to `{other}`, which is not an origin as requests have them")));
            }
            exported::plugin::Need::Inbox => needs.inbox = true,
            exported::plugin::Need::Links => needs.links = true,
            exported::plugin::Need::Storage => needs.storage = true,
            exported::plugin::Need::Devices => needs.devices = true,
            exported::plugin::Need::Reveal(pointer) if is_plain_pointer(&pointer) => drop(needs.reveal.insert(pointer)),
            exported::plugin::Need::Reveal(other) => {
                let other = other.escape_debug().take(TEXT_MAX).collect::<String>();
                return Err(refuse(format!("it needs to reveal `{other}`, which is not a JSON Pointer of letters, digits and ._~-")));
            }
            exported::plugin::Need::Inbound => needs.inbound = true,
            exported::plugin::Need::Decide => needs.decide = true,
            // It can run without what this host has never heard of, or it will be told so when it asks.
            exported::plugin::Need::Other(_) => {}
        }
    }
    Ok(Description { name: said.name, version: said.version, summary: said.summary, channels: said.channels, needs, schema })
}
