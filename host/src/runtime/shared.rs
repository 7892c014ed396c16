//! What every version of one plugin shares: its permissions, its log, what is counted of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::capabilities::{HandedOut, KeptCredentials};
use super::hooks::Hook;
use super::limits::{CallLimits, LOG_LINE_BYTES};
use super::tally::{Tallied, Tally};
use super::version::CallFailure;
use crate::clock::Clock;
use crate::protocol::plugin::{Permissions, PluginName};

/// Log lines kept per plugin.
const LINES_KEPT: usize = 500;

/// How often it is said that there is no place for calls, or that there may be none, in seconds: it is so for all of
/// them or for none.
const BUSY_SAID: i64 = 10;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// What happened.
    Info,
    /// Something the operator should know.
    Warn,
    /// Something the operator must mend.
    Error,
}

/// One line of a plugin's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// On one line, control characters escaped.
    pub text: String,
}

/// See the module.
pub struct Shared {
    pub(super) name: PluginName,
    clock: Clock,
    permissions: RwLock<Arc<Permissions>>,
    /// How often it lost one.
    losses: AtomicU64,
    /// Places for HTTP requests of all its calls.
    pub(super) http_places: Arc<Semaphore>,
    /// What was minted for it. It outlasts a version, because services count how often there is a new one.
    pub(super) credentials: KeptCredentials,
    /// The same as far as it was given to it, good or not: no word of it may repeat that.
    pub(super) handed_out: Arc<HandedOut>,
    lines: Mutex<VecDeque<LogLine>>,
    /// Counts every line there was.
    logged: watch::Sender<u64>,
    pub(super) tally: Tally,
    /// Places for calls from outside: a half of all, so that those who flood it keep no hook from being called.
    inbound_places: Arc<Semaphore>,
    /// When it was last said that there was no place, and that nobody may call it.
    busy_said: Mutex<Option<Timestamp>>,
    inbound_said: Mutex<Option<Timestamp>>,
}

impl Shared {
    pub(super) fn new(name: PluginName, clock: Clock, permissions: Permissions, limits: &CallLimits) -> Self {
        Self {
            name,
            clock,
            permissions: RwLock::new(Arc::new(permissions)),
            losses: AtomicU64::new(0),
            http_places: Arc::new(Semaphore::new(limits.http_per_plugin as usize)),
            credentials: KeptCredentials::default(),
            handed_out: Arc::default(),
            lines: Mutex::default(),
            logged: watch::Sender::default(),
            tally: Tally::new(),
            inbound_places: Arc::new(Semaphore::new((limits.concurrency as usize / 2).max(1))),
            busy_said: Mutex::default(),
            inbound_said: Mutex::default(),
        }
    }

    /// The same plugin during a trial, in which it may do nothing whatever it was allowed.
    pub(super) fn on_trial(&self, limits: &CallLimits) -> Self {
        Self::new(self.name.clone(), self.clock.clone(), Permissions::default(), limits)
    }

    /// Keeps the lines of a trial, which the host's log has already.
    pub(super) fn keep_lines_of(&self, trial: &Self) {
        self.keep(trial.lines());
    }

    fn keep(&self, new: Vec<LogLine>) {
        let count = new.len() as u64;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(new);
        let surplus = lines.len().saturating_sub(LINES_KEPT);
        lines.drain(..surplus);
        // While it is locked: who reads sees as many lines as were counted.
        self.logged.send_modify(|logged| *logged += count);
    }

    /// What it may do at this moment. Read at each host call: a permission taken back counts at once.
    pub fn permissions(&self) -> Arc<Permissions> {
        Arc::clone(&self.permissions.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_permissions(&self, permissions: Permissions) {
        let mut now = self.permissions.write().unwrap_or_else(PoisonError::into_inner);
        if now.without(&permissions) != Permissions::default() {
            self.losses.fetch_add(1, Ordering::Release);
        }
        *now = Arc::new(permissions);
    }

    /// How often a permission was taken from it. An instance that is older than the last time may still know what it was
    /// told with it.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Keeps a line, and gives it to the host's log.
    pub(super) fn log(&self, level: LogLevel, text: &str) {
        let text = one_line(text);
        match level {
            LogLevel::Debug => tracing::debug!(plugin = %self.name, "{text}"),
            LogLevel::Info => tracing::info!(plugin = %self.name, "{text}"),
            LogLevel::Warn => tracing::warn!(plugin = %self.name, "{text}"),
            LogLevel::Error => tracing::error!(plugin = %self.name, "{text}"),
        }
        self.keep(vec![LogLine { at: self.clock.now(), level, text }]);
    }

    /// Says that a call had no place, but not of every one.
    pub(super) fn say_busy<H: Hook>(&self, failure: &CallFailure) {
        self.tally.count_busy::<H>(failure);
        if self.is_time_to_say(&self.busy_said) {
            self.log(LogLevel::Warn, &format!("calls are put off {failure}. do: see why it is slow, or raise its `concurrency`"));
        }
    }

    /// Somebody outside called it, which it may not be.
    pub(super) fn refuse_inbound(&self) {
        self.tally.count_refusal("inbound");
        if self.is_time_to_say(&self.inbound_said) {
            let name = &self.name;
            self.log(LogLevel::Warn, &format!("refused [not-permitted]: inbound. do: ciba-host plugin allow {name} --inbound"));
        }
    }

    fn is_time_to_say(&self, said: &Mutex<Option<Timestamp>>) -> bool {
        let now = self.clock.now();
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = said.is_none_or(|said| now.duration_since(said).as_secs() >= BUSY_SAID);
        if is_time {
            *said = Some(now);
        }
        is_time
    }

    /// A place for a call from outside, if there is one now.
    pub fn inbound_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inbound_places).try_acquire_owned().ok()
    }

    /// Says that what the plugin answered cannot be taken, which only shows beside what else is configured.
    pub fn say_unusable(&self, failure: &CallFailure) {
        self.log(LogLevel::Error, &format!("its answer was not taken {failure}"));
    }

    /// Says that something among what the plugin answered changed nothing. The rest of it was taken.
    pub fn say_without_effect(&self, what: &str) {
        self.log(LogLevel::Warn, &format!("something it answered has no effect: {what}"));
    }

    /// The latest lines, oldest first.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Told of every line: how many there were.
    pub fn logged(&self) -> watch::Receiver<u64> {
        self.logged.subscribe()
    }

    /// The lines after so many, as far as they are kept, and how many there were.
    pub fn lines_after(&self, after: u64) -> (Vec<LogLine>, u64) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *self.logged.borrow();
        let new = usize::try_from(count.saturating_sub(after)).unwrap_or(usize::MAX).min(lines.len());
        (lines.iter().skip(lines.len() - new).cloned().collect(), count)
    }

    /// How it has been doing since the host started.
    pub fn tallied(&self) -> Tallied {
        self.tally.read()
    }
}

/// Whatever a guest wrote, as one line that cannot pass for another: cut, control characters escaped.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.trim_end().chars() {
        if line.len() >= LOG_LINE_BYTES {
            line.push('…');
            break;
        }
        if crate::protocol::binding_message::is_unshowable(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_cannot_pass_for_two_or_for_another() {
        assert_eq!(super::one_line("a\nINFO b\u{202e}\u{1b}[31m\n"), "a\\nINFO b\\u{202e}\\u{1b}[31m");
        assert!(super::one_line(&"x".repeat(5000)).len() < 1100);
    }
}
