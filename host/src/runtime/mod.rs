//! wasmtime lives here and nowhere else: load, swap, limits, permissions, one method per hook.
//!
//! A file in the plugin [`folder`] is taken through [`load`]: looked at ([`shape`]), compiled (or fetched from the
//! [`cache`]), compared with the contract, and tried. What passes is published ([`take`]) in the [`catalog`] by one
//! pointer store, and called ([`version`]) in a fresh instance each time, or in one that was kept ([`instances`]), on threads
//! for guests, within its [`limits`].

mod cache;
mod call_log;
mod capabilities;
mod catalog;
mod comparison;
mod contract;
#[cfg(test)]
mod contract_2;
mod engine;
mod files;
mod folder;
mod given;
mod guest;
mod hooks;
mod http;
mod instances;
mod limits;
mod load;
mod measure;
mod places;
mod printed;
mod refusal;
mod rollback;
mod running;
mod schema;
mod settings;
mod shadow;
mod shape;
mod shared;
mod standing;
mod stands;
mod take;
mod tally;
mod transaction;
mod version;
mod withheld;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument as _, field};
use wasmtime::component::Linker;

pub use capabilities::{Decider, Submitted};
pub use catalog::{Catalog, Event, EventKind, Plugin, Status};
pub use comparison::{Act, Difference, Findings, Tally};
pub use contract::ciba::interception::decisions::Outcome as DecisionOutcome;
pub use guest::InboxMessage;
pub use hooks::{
    Adjustment, CodeVerdict, Comparable, DecisionVerdict, HintKind, Hook, Inbound, Issuance, IssueTokens, Notify, Observe, ObservedEvent,
    Occasion, Outcome, RegisterClient, Registering, Registration, RequestVerdict, Resolution, ResolveHint, ReviewDecision, ReviewRequest,
    Shape, ShapeIntrospection, Shaping, VerifyUserCode, Withdraw, WithdrawReason,
};
pub use instances::Warm;
pub use limits::CallLimits;
pub use load::{Candidate, Loaded};
pub use measure::Measured;
pub use refusal::Refusal;
pub use rollback::Aside;
pub use schema::Schema;
pub use shared::{LogLevel, LogLine, Shared};
pub use standing::{Change, NotChanged};
pub use stands::Turn;
pub use tally::{BOUNDS, Counters, HookTally, Latency, Tallied};
pub use transaction::EvidenceView;
pub use transaction::{DeviceView, TransactionView};
pub use version::{CallFailure, Description, Report, Version};
pub use withheld::ActKind;

use crate::clock::Clock;
use crate::outbound::Door;
use crate::protocol::plugin::{Permissions, PluginName, Words};
use crate::store::Store;
use crate::traces::SPAN;
use cache::Cache;
use capabilities::{Deciding, House};
use engine::Engine;
use guest::Guest;
use instances::Seat;
use places::Places;

/// What the operator set for plugins.
#[derive(Clone, Debug, Default)]
pub struct RuntimeConfig {
    /// The folder that files are dropped into.
    pub folder: PathBuf,
    /// The host's own directory: what lies there, but for the folder, is no plugin's secret. Empty where there is none.
    pub own: PathBuf,
    /// Where compiled components are kept.
    pub cache: PathBuf,
    /// How long compiling a file may take; a minute where nothing is said.
    pub compile: Option<Duration>,
    /// Limits where nothing else is said.
    pub limits: CallLimits,
    /// Whether instances are reset by asking the kernel which pages were written, where that is safe.
    pub pagemap_scan: bool,
    /// Limits of single plugins.
    pub limits_of: HashMap<PluginName, CallLimits>,
    /// What the configuration file allows.
    pub allowed: HashMap<PluginName, Permissions>,
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A client waits for the answer.
    ClientWaits,
    /// Nobody does.
    Background,
    /// Nobody does, and nothing comes of it.
    Shadow,
}

/// How long a call that nobody waits for stands in line. Then its job is put off, and leaves its place to those of
/// other plugins: a slow one must not hold them up.
const IN_LINE: Duration = Duration::from_millis(50);

/// Plugins: what there is, what serves, and how it is called.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Guest>,
    cache: Arc<Cache>,
    door: Door,
    clock: Clock,
    store: Arc<dyn Store>,
    /// What the capabilities of plugins work with.
    house: Arc<House>,
    folder: PathBuf,
    config: RuntimeConfig,
    /// What was allowed by command.
    allowed: Mutex<HashMap<PluginName, Permissions>>,
    /// What operators said of plugins by command.
    words: Mutex<HashMap<PluginName, Words>>,
    shared: Mutex<HashMap<PluginName, Arc<Shared>>>,
    places: Places,
    small_lane: Arc<Semaphore>,
    large_lane: Arc<Semaphore>,
    catalog: watch::Sender<Arc<Catalog>>,
    /// Counts what may let calls succeed that did not before.
    serving: watch::Sender<u64>,
    /// Held while a version is compared with what serves and put in its place.
    publishing: tokio::sync::Mutex<()>,
}

impl Runtime {
    /// Starts the engine. Nothing is loaded yet: that is [`Runtime::watch_folder`].
    ///
    /// # Errors
    /// When threads, address space or the cache directory cannot be had.
    pub async fn start(
        config: RuntimeConfig,
        store: Arc<dyn Store>,
        door: Door,
        clock: Clock,
        key: &[u8; 32],
    ) -> anyhow::Result<Arc<Self>> {
        let engine = Engine::new(config.pagemap_scan)?;
        let mut linker = Linker::new(&engine.wasm);
        // Everything is linked for everybody; what was not allowed refuses when it is called.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        guest::add_to_linker(&mut linker)?;
        let cache = Cache::open(&config.cache, key, &engine.wasm)
            .with_context(|| format!("the cache {} cannot be used", config.cache.display()))?;
        let allowed = store.permissions().await?.into_iter().collect();
        let words = store.plugin_words().await?.into_iter().collect();
        let runtime = Arc::new(Self {
            places: Places::new(engine.slots),
            engine,
            linker,
            cache: Arc::new(cache),
            door,
            house: Arc::new(House { store: Arc::clone(&store), clock: clock.clone(), deciding: OnceLock::new() }),
            clock,
            store,
            folder: config.folder.clone(),
            config,
            allowed: Mutex::new(allowed),
            words: Mutex::new(words),
            shared: Mutex::default(),
            small_lane: Arc::new(Semaphore::new(1)),
            large_lane: Arc::new(Semaphore::new(1)),
            catalog: watch::Sender::new(Arc::default()),
            serving: watch::Sender::default(),
            publishing: tokio::sync::Mutex::default(),
        });
        runtime.release_idle_instances();
        Ok(runtime)
    }

    /// Says who takes the decisions that plugins submit, on the threads of whoever calls this. Once: the flow is made of
    /// this, so that it cannot be there before.
    pub fn decided_by(&self, decider: Weak<dyn Decider>) {
        let threads = tokio::runtime::Handle::current();
        // A second one would be a second flow.
        let _ = self.house.deciding.set(Deciding { threads, decider });
    }

    /// What serves now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.borrow())
    }

    /// Told of every change of the catalog: files that wait or were refused as well.
    pub fn changes(&self) -> watch::Receiver<Arc<Catalog>> {
        self.catalog.subscribe()
    }

    /// Told whenever something new serves or more is allowed: what failed before may work now.
    pub fn serving_changes(&self) -> watch::Receiver<u64> {
        self.serving.subscribe()
    }

    fn serving_changed(&self) {
        self.serving.send_modify(|count| *count += 1);
    }

    /// The folder that files are dropped into.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds a place, then runs the call on a thread for guests. Dropping this future does not stop the call,
    /// which its own limits do.
    pub async fn call<H: Hook>(&self, version: &Arc<Version>, hook: H, urgency: Urgency) -> Report<H::Answer> {
        let span = tracing::trace_span!(
            target: SPAN,
            "plugin",
            otel.name = format!("{} {}", H::NAME, version.name),
            hook = H::NAME,
            plugin.name = %version.name,
            plugin.version = version.description.version,
            plugin.digest = version.digest.0,
            plugin.mode = if version.is_enforced() { "enforce" } else { "shadow" },
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
        );
        let report = self.call_in_place(version, hook, urgency).instrument(span.clone()).await;
        if let Err(failure) = &report.result {
            span.record("otel.status_code", "ERROR").record("otel.status_description", failure.word());
        }
        report
    }

    async fn call_in_place<H: Hook>(&self, version: &Arc<Version>, hook: H, urgency: Urgency) -> Report<H::Answer> {
        let wall = version.callable.limits.wall();
        let patience = match urgency {
            Urgency::ClientWaits => wall,
            Urgency::Background | Urgency::Shadow => wall.min(IN_LINE),
        };
        let places = async {
            let own = Arc::clone(&version.calls_at_once).acquire_owned().await.ok()?;
            // An instance that waits for a call has its places.
            let kept = version.instances.as_ref().and_then(|instances| instances.take(version.shared.losses()));
            let seat = match kept {
                Some(seat) => seat,
                None => Seat::fresh(self.places.for_call(version.callable.places, urgency).await?, version),
            };
            Some((own, seat))
        };
        let nothing = |failure| Report { result: Err(failure), inbox: None, withheld: None, took: Duration::ZERO };
        let Ok(Some((own, seat))) = tokio::time::timeout(patience, places).await else {
            let failure = CallFailure::Busy(patience);
            if urgency != Urgency::Shadow {
                version.shared.say_busy::<H>(&failure);
            }
            return nothing(failure);
        };
        let version = Arc::clone(version);
        let call = async move {
            let _own = own;
            let _in_flight = version.enter();
            version.call(seat, hook).await
        };
        self.guests().spawn(call.in_current_span()).await.unwrap_or_else(|error| nothing(CallFailure::Trap(error.to_string())))
    }

    fn guests(&self) -> &tokio::runtime::Handle {
        self.engine.guests()
    }

    fn limits_of(&self, name: &PluginName) -> CallLimits {
        self.config.limits_of.get(name).copied().unwrap_or(self.config.limits)
    }

    /// What is allowed now, by file or by command.
    pub fn allowed(&self, name: &PluginName) -> Permissions {
        let by_command = self.allowed.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default();
        by_command.union(&self.config.allowed.get(name).cloned().unwrap_or_default())
    }

    /// What was allowed by command, without what the configuration file allows.
    pub fn allowed_by_command(&self, name: &PluginName) -> Permissions {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    /// Takes note of what the store now allows; calls in flight are bound by it at their next host call.
    pub fn set_allowed(&self, name: &PluginName, permissions: Permissions) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), permissions);
        let allowed = self.allowed(name);
        let shared = self.shared_of(name);
        let more = shared.permissions().missing(&allowed) != Permissions::default();
        shared.set_permissions(allowed);
        if more {
            self.serving_changed();
        }
        if self.catalog().plugin(name).is_some() {
            // Nothing of the catalog changed but what its readers will find behind it.
            self.publish(name, |_| {});
        }
    }

    /// What all versions of this plugin share, made when it is first seen.
    pub fn shared_of(&self, name: &PluginName) -> Arc<Shared> {
        let (allowed, limits) = (self.allowed(name), self.limits_of(name));
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Shared::new(name.clone(), self.clock.clone(), allowed, &limits));
        Arc::clone(shared.entry(name.clone()).or_insert_with(make))
    }
}
