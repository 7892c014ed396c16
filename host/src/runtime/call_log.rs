//! What one call may say: one budget of lines for all that it causes, and none of its secrets.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::comparison::Comparison;
use super::limits::CallLimits;
use super::settings::Secrets;
use super::shared::{LogLevel, Shared, one_line};
use super::withheld::{ActKind, Withholding};

pub(super) struct CallLog {
    pub(super) shared: Arc<Shared>,
    left: AtomicU32,
    dropped: AtomicU32,
    /// What was refused already: it is counted each time, and said once.
    refused: Mutex<BTreeSet<String>>,
    secrets: Mutex<Arc<Secrets>>,
    /// In a call of a shadow: what it wants done.
    pub(super) withholding: Option<Withholding>,
}

impl CallLog {
    pub(super) fn new(shared: Arc<Shared>, secrets: Arc<Secrets>, limits: &CallLimits, shadow: Option<Arc<Comparison>>) -> Self {
        Self {
            shared,
            left: AtomicU32::new(limits.log_lines),
            dropped: AtomicU32::new(0),
            refused: Mutex::default(),
            secrets: Mutex::new(secrets),
            withholding: shadow.map(Withholding::new),
        }
    }

    /// A line that the guest wrote, or caused. Beyond its budget it is counted and dropped.
    pub(super) fn write(&self, level: LogLevel, text: &str) {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            self.say(level, text);
        } else {
            let _ = self.dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |dropped| dropped.checked_add(1));
        }
    }

    /// Something was refused: counted by the permission's name, and said to the operator with what to do.
    pub(super) fn refuse(&self, permission: &str, what: &str, fix: &str) {
        self.shared.tally.count_refusal(&self.blank(permission));
        let line = format!("refused [not-permitted]: {what}. do: {fix}");
        // Without a line left nothing more need be remembered.
        let none_left = self.left.load(Ordering::Relaxed) == 0;
        if none_left || self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
            self.write(LogLevel::Warn, &line);
        }
    }

    /// A line of the host's own about the call. There are few of them, and none is dropped.
    pub(super) fn say(&self, level: LogLevel, text: &str) {
        let text = self.blank(text);
        if self.withholding.is_some() {
            return self.shared.log(level, &format!("[shadow] {text}"));
        }
        self.shared.log(level, &text);
    }

    /// In a call of a shadow: writes down what it wants done. Where this is one, it is not done.
    pub(super) fn withholds(&self, kind: ActKind, what: impl FnOnce() -> String) -> bool {
        let Some(withholding) = &self.withholding else { return false };
        let what = one_line(&self.blank(&what()));
        self.write(LogLevel::Info, &format!("not done: {what}"));
        withholding.note(kind, what);
        true
    }

    /// The text without what the plugin must not repeat, whichever of its calls was told.
    fn blank(&self, text: &str) -> String {
        let secrets = Arc::clone(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner));
        secrets.blank(&self.shared.handed_out.blank(text)).into_owned()
    }

    pub(super) fn hide(&self, secrets: Arc<Secrets>) {
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Lines that were not kept.
    pub(super) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed) as usize
    }
}
