//! One version of a plugin, ready to be called, and the call itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi_http::WasiBody;

use super::call_log::CallLog;
use super::capabilities::{HandedOut, House};
use super::comparison::{self, Comparison, Findings};
use super::engine::TICK;
use super::given::Given;
use super::guest::{Guest, InboxMessage};
use super::hooks::{Hook, Hooks};
use super::http::Outgoing;
use super::instances::{Instances, Live};
use super::limits::{CallLimits, HOST_CALL_BYTES, WORDS_BYTES};
use super::settings::Secrets;
use super::shared::{LogLevel, Shared, one_line};
use super::withheld::Withheld;
use crate::outbound::Client;
use crate::protocol::plugin::{ArtefactDigest, Mode, Permissions, PluginFile, PluginName};

/// Lines kept of what one call printed, besides those it logged.
const PRINTED_LINES: usize = 20;

/// What a plugin says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// What its author calls it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The channels it serves.
    pub channels: Vec<String>,
    /// What it asks for.
    pub needs: Permissions,
    /// JSON Schema of its settings.
    pub schema: serde_json::Value,
}

/// See the module. Immutable; calls in flight keep it alive after it was replaced.
pub struct Version {
    /// The plugin.
    pub name: PluginName,
    /// The component.
    pub digest: ArtefactDigest,
    /// What it says of itself.
    pub description: Description,
    /// What the operator wrote beside it, and said over it.
    pub file: PluginFile,
    /// What stands there of mode and order.
    pub written: (Mode, i32),
    /// The same as text: what tells one version from the next when only the settings changed.
    pub file_text: String,
    /// Which hooks it serves.
    pub hooks: Vec<String>,
    /// Since when it has been ready.
    pub since: Timestamp,
    /// What all versions of the plugin share.
    pub shared: Arc<Shared>,
    pub(super) callable: Arc<Callable>,
    /// Those that are kept between calls, where the operator chose that.
    pub(super) instances: Option<Instances>,
    /// Its settings as they may be shown.
    pub(super) shown_settings: serde_json::Value,
    pub(super) calls_at_once: Arc<Semaphore>,
    pub(super) in_flight: AtomicUsize,
}

/// Everything that a call needs of a version, and that the trial has before there is a version.
#[derive(Clone)]
pub struct Callable {
    pub(super) pre: InstancePre<Guest>,
    pub(super) hooks: Hooks,
    /// Its settings, as it gets them.
    pub(super) given: Arc<Given>,
    /// What among the settings no word of it may repeat.
    pub(super) secrets: Arc<Secrets>,
    /// What it was given besides, in whichever call.
    pub(super) handed_out: Arc<HandedOut>,
    /// Places of the pool that one instance takes.
    pub(super) places: u32,
    pub(super) limits: CallLimits,
    pub(super) client: Client<WasiBody>,
    pub(super) house: Arc<House>,
    /// Of a shadow: what is done with its answers. Then nothing that it wants done is.
    pub(super) comparison: Option<Arc<Comparison>>,
}

impl Version {
    /// Calls that have not ended.
    pub fn calls_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a call until it is dropped, which it is however the call ends.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// What it asks for and may not have.
    pub fn missing_permissions(&self) -> Permissions {
        self.shared.permissions().missing(&self.description.needs.union(&self.file.asks))
    }

    /// Its settings as they may be shown.
    pub fn redacted_settings(&self) -> serde_json::Value {
        self.shown_settings.clone()
    }

    /// The interfaces it imports and those it exports, by name.
    pub fn interfaces(&self) -> (Vec<String>, Vec<String>) {
        let component = self.callable.pre.component();
        let (engine, kind) = (component.engine(), component.component_type());
        let imports = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
        (imports, kind.exports(engine).map(|(name, _)| name.to_owned()).collect())
    }

    /// Its name, version and digest, for people.
    pub(super) fn in_words(&self) -> String {
        format!("{} {} ({})", self.name, self.description.version, self.digest.short())
    }

    /// What it does, in words: whether its answers count, and for whom.
    pub fn does(&self) -> String {
        let PluginFile { beside, share, .. } = &self.file;
        let beside = |how: &str| beside.as_ref().map(|name| format!("{how} {name}")).unwrap_or_default();
        let of = if *share == 100 { String::new() } else { format!(" for {share} % of transactions") };
        if self.is_enforced() { format!("serving{of}{}", beside(" in the place of")) } else { format!("a shadow{}{of}", beside(" beside")) }
    }

    /// How often its answers were the same as those that count, of a shadow.
    pub fn compared(&self) -> Option<comparison::Tally> {
        self.callable.comparison.as_ref().map(|comparison| comparison.in_all())
    }

    /// How its answers compare with those that count, of a shadow.
    pub fn findings(&self) -> Option<Findings> {
        self.callable.comparison.as_ref().map(|comparison| comparison.so_far())
    }

    /// What no longer happens when it is gone.
    pub(super) fn without_it(&self) -> String {
        if !self.is_enforced() {
            return "its answers are not compared any more".to_owned();
        }
        if self.callable.hooks.notify.is_some() {
            format!("nobody is notified on the channel {} any more", self.description.channels.join(", "))
        } else {
            format!("it is not asked at {} any more", self.hooks.join(", "))
        }
    }

    /// Whether it can be called by HTTP, and may. That it may not is said, but not to everybody who tries.
    pub fn takes_inbound(&self) -> bool {
        let can = self.callable.hooks.incoming_handler.is_some();
        let may = self.shared.permissions().inbound;
        if can && !may {
            self.shared.refuse_inbound();
        }
        can && may
    }

    /// Whether it can take notifications back.
    pub fn can_withdraw(&self) -> bool {
        self.callable.hooks.withdraw.is_some()
    }
}

/// A call that has not ended.
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a hook gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The plugin crashed.
    #[error("[trap] {0}")]
    Trap(String),
    /// It computed too long.
    #[error("[cpu-limit] computed for more than {} ms", .0.as_millis())]
    CpuTime(Duration),
    /// It took too long, waiting included.
    #[error("[time-limit] took more than {} ms", .0.as_millis())]
    WallTime(Duration),
    /// It wanted more memory than it may have.
    #[error("[memory-limit] wanted more than {0} MiB of memory")]
    Memory(u32),
    /// It handed over more than the host takes.
    #[error("[size-limit] {0}")]
    Size(String),
    /// It called itself too deeply.
    #[error("[stack-limit] called itself too deeply")]
    Stack,
    /// Its settings are wrong, it says. Trying again does not help.
    #[error("[settings] {0}")]
    Settings(String),
    /// Something it needs is away, it says.
    #[error("[temporary] {0}")]
    Temporary(String),
    /// It failed for a reason of its own.
    #[error("[script-error] {0}")]
    Script(String),
    /// It answered what cannot be taken.
    #[error("[answer] {0}")]
    Answer(String),
    /// Too many calls were waiting for a place.
    #[error("[busy] no place to run within {} ms", .0.as_millis())]
    Busy(Duration),
    /// The plugin does not serve this hook.
    #[error("[no-hook] does not export {0}")]
    NoHook(&'static str),
}

impl CallFailure {
    /// The stable words, each at its place.
    pub const WORDS: [&'static str; 12] = [
        "trap",
        "cpu-limit",
        "time-limit",
        "memory-limit",
        "size-limit",
        "stack-limit",
        "settings",
        "temporary",
        "script-error",
        "answer",
        "busy",
        "no-hook",
    ];

    /// The stable word that it begins with.
    pub fn word(&self) -> &'static str {
        Self::WORDS[self.place()]
    }

    pub(super) fn place(&self) -> usize {
        match self {
            Self::Trap(_) => 0,
            Self::CpuTime(_) => 1,
            Self::WallTime(_) => 2,
            Self::Memory(_) => 3,
            Self::Size(_) => 4,
            Self::Stack => 5,
            Self::Settings(_) => 6,
            Self::Temporary(_) => 7,
            Self::Script(_) => 8,
            Self::Answer(_) => 9,
            Self::Busy(_) => 10,
            Self::NoHook(_) => 11,
        }
    }
}

/// What became of a call.
#[derive(Clone, Debug)]
pub struct Report<T> {
    /// The answer, or why there is none.
    pub result: Result<T, CallFailure>,
    /// What it put on the device page; only with an answer.
    pub inbox: Option<InboxMessage>,
    /// What it wanted done and was not, in a call of a shadow.
    pub withheld: Option<Withheld>,
    /// How long the guest took, instantiation included.
    pub took: Duration,
}

impl Callable {
    /// A store with every limit set, before anything of the guest runs in it.
    pub(super) fn store(&self, shared: &Arc<Shared>) -> Store<Guest> {
        let (log, outgoing) = self.voice(shared);
        let guest = Guest::new(log, Arc::clone(&self.given), Arc::clone(&self.house), outgoing, self.limits);
        let mut store = Store::new(self.pre.engine(), guest);
        store.limiter(|guest| &mut guest.budget);
        begin(&mut store);
        let most = self.cpu();
        store.epoch_deadline_callback(move |mut context| {
            let guest = context.data_mut();
            // It also comes after every wait, which is not the guest's computing.
            guest.out_of_time = guest.running.so_far() > most;
            if guest.out_of_time {
                return Err(Trap::Interrupt.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// The same store for its next call, with every limit set anew. What it has of memory it has: that is one limit for
    /// all of its calls.
    fn renew(&self, store: &mut Store<Guest>, shared: &Arc<Shared>) {
        let (log, outgoing) = self.voice(shared);
        store.data_mut().renew(log, outgoing);
        begin(store);
    }

    /// What one call may log and send.
    fn voice(&self, shared: &Arc<Shared>) -> (Arc<CallLog>, Outgoing) {
        let log = Arc::new(CallLog::new(Arc::clone(shared), Arc::clone(&self.secrets), &self.limits, self.comparison.clone()));
        let outgoing = Outgoing::new(Arc::clone(&log), self.client.clone(), &self.limits);
        (log, outgoing)
    }

    /// How long a call may compute: a tick at least, because nobody looks more often.
    fn cpu(&self) -> Duration {
        Duration::from_millis(u64::from(self.limits.cpu_ms)).max(TICK)
    }

    /// One call, in an instance that is there or a fresh one; with it comes back what may have another call. Runs on a
    /// thread for guests.
    pub(super) async fn call<H: Hook>(&self, shared: &Arc<Shared>, live: Option<Live>, hook: H) -> (Report<H::Answer>, Option<Live>) {
        let start = Instant::now();
        let (mut store, instance) = match live {
            Some(Live { mut store, instance }) => {
                self.renew(&mut store, shared);
                (store, Some(instance))
            }
            None => (self.store(shared), None),
        };
        store.data_mut().hook = H::NAME;
        let running = store.data().running.clone();
        let call = async {
            let instance = match instance {
                Some(instance) => instance,
                None => self.pre.instantiate_async(&mut store).await?,
            };
            Ok((hook.call(self, &mut store, &instance).await?, instance))
        };
        let ended = tokio::time::timeout(self.limits.wall(), running.count(call)).await;
        let took = start.elapsed();
        let (result, instance) = match ended {
            Err(_) => (Err(CallFailure::WallTime(self.limits.wall())), None),
            Ok(Ok((answered, instance))) => (answered, Some(instance)),
            Ok(Err(error)) => (Err(self.explain(&store, &error)), None),
        };
        let guest = store.data_mut();
        guest.flush_output();
        if let Err(failure) = &result {
            guest.log.say(LogLevel::Error, &format!("call failed {failure}"));
        }
        shared.tally.count_call::<H>(took, result.as_ref().err(), guest.budget.held());
        let mut inbox = guest.inbox.take().filter(|_| result.is_ok());
        let withheld = guest.log.withholding.as_ref().map(|withholding| Withheld { inbox: inbox.take(), ..withholding.take() });
        let live = instance.and_then(|instance| Live { store, instance }.for_another(&result));
        (Report { inbox, withheld, result, took }, live)
    }

    /// One call with nothing around it, to compare with. Only for plugins that are known to be harmless.
    pub(super) async fn call_bare<H: Hook>(&self, shared: &Arc<Shared>, hook: H) -> Result<H::Answer, CallFailure> {
        let (log, outgoing) = self.voice(shared);
        let guest = Guest::new(log, Arc::clone(&self.given), Arc::clone(&self.house), outgoing, self.limits);
        let mut store = Store::new(self.pre.engine(), guest);
        store.set_epoch_deadline(u64::MAX / 2);
        let called = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            hook.call(self, &mut store, &instance).await
        };
        called.await.unwrap_or_else(|error: wasmtime::Error| Err(CallFailure::Trap(error.to_string())))
    }

    /// A guest's explanation, as it is handed on.
    pub(super) fn words(&self, why: &str) -> String {
        cut(one_line(&self.secrets.blank(&self.handed_out.blank(why))))
    }

    /// Which limit it was, or what the trap says.
    pub(super) fn explain(&self, store: &Store<Guest>, error: &wasmtime::Error) -> CallFailure {
        let guest = store.data();
        if guest.out_of_time {
            return CallFailure::CpuTime(Duration::from_millis(u64::from(self.limits.cpu_ms)));
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
            return CallFailure::Stack;
        }
        let words = error.root_cause().to_string();
        // The error's type is wasmtime's own, so its words have to do.
        if words.starts_with("too much data is being copied") {
            return CallFailure::Size(format!("handed over more than {} MiB at once", HOST_CALL_BYTES >> 20));
        }
        if guest.budget.exhausted {
            return CallFailure::Memory(self.limits.memory_mib);
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached) {
            return CallFailure::Trap("it panicked; what it said last stands in its log".to_owned());
        }
        CallFailure::Trap(cut(words))
    }
}

/// Sets what counts for each call by itself.
fn begin(store: &mut Store<Guest>) {
    store.set_hostcall_fuel(HOST_CALL_BYTES);
    // The deadline has passed already, of a fresh store and of one that was idle; and instantiation runs guest code.
    store.set_epoch_deadline(1);
}

fn cut(mut text: String) -> String {
    if text.len() > WORDS_BYTES {
        text.truncate(text.floor_char_boundary(WORDS_BYTES));
        text.push('…');
    }
    text
}

impl Guest {
    /// Gives what the guest printed to its log, and says how many lines were not kept.
    pub(super) fn flush_output(&self) {
        let printed = self.printed.lines();
        for line in printed.iter().take(PRINTED_LINES) {
            self.log.say(LogLevel::Info, line);
        }
        let dropped = self.log.dropped() + printed.len().saturating_sub(PRINTED_LINES);
        if dropped > 0 {
            self.log.say(LogLevel::Warn, &format!("[log-limit] {dropped} more lines were not kept"));
        }
    }
}
