//! How the answers of a shadow compare with those that counted: numbers for each hook, and the latest differences.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::withheld::{ActKind, Withheld};

/// Differences that are kept, and things that were not done.
const KEPT: usize = 50;

/// How often what became of a shadow's calls of one hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// It answered the same.
    pub same: u64,
    /// It answered something else.
    pub different: u64,
    /// It gave no answer.
    pub failed: u64,
    /// Its answer hangs on something that a shadow does not do, and says nothing.
    pub not_comparable: u64,
    /// There was no place for the call, or the answer that counts was none for want of one.
    pub missed: u64,
}

/// What became of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Different,
    Failed,
    NotComparable,
    Missed,
}

/// Two answers that are not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// When.
    pub at: Timestamp,
    /// At which hook.
    pub hook: String,
    /// About which transaction; at `register-client`, which client.
    pub about: Option<String>,
    /// Whose answer counted: name, version and digest.
    pub beside: Option<String>,
    /// The answer that counted.
    pub enforced: String,
    /// The shadow's.
    pub shadow: String,
}

/// Something that a shadow wanted done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// At which hook.
    pub hook: String,
    /// About which transaction.
    pub about: Option<String>,
    /// What kind of thing.
    pub kind: ActKind,
    /// In words.
    pub what: String,
}

/// Everything that is known of a shadow's answers since this version of it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// By hook.
    pub hooks: BTreeMap<String, Tally>,
    /// How often it wanted something done, by kind.
    pub withheld: BTreeMap<ActKind, u64>,
    /// The latest differences, newest first.
    pub differences: VecDeque<Difference>,
    /// The latest things that were not done, newest first.
    pub acts: VecDeque<Act>,
}

impl Findings {
    /// The same for all hooks together.
    pub fn in_all(&self) -> Tally {
        self.hooks.values().fold(Tally::default(), |all, one| Tally {
            same: all.same + one.same,
            different: all.different + one.different,
            failed: all.failed + one.failed,
            not_comparable: all.not_comparable + one.not_comparable,
            missed: all.missed + one.missed,
        })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { same, different, failed, not_comparable, missed } = self;
        write!(f, "{same} the same, {different} different, {failed} failed, {not_comparable} not comparable")?;
        if *missed > 0 { write!(f, ", {missed} missed") } else { Ok(()) }
    }
}

/// See the module. In memory: it is about calls since the start, and losing it costs a look.
#[derive(Default)]
pub(super) struct Comparison {
    kept: Mutex<Findings>,
    /// Whether something of what it keeps is not there because it was not written.
    lacks_values: AtomicBool,
}

/// What a call was about.
pub(super) struct Call<'a> {
    pub(super) at: Timestamp,
    pub(super) hook: &'static str,
    pub(super) about: Option<&'a str>,
}

impl Comparison {
    /// What is known.
    pub(super) fn so_far(&self) -> Findings {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts of all hooks together.
    pub(super) fn in_all(&self) -> Tally {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).in_all()
    }

    /// A write of its own was not done: what it reads from here on is not what it would read.
    pub(super) fn lacks_a_value(&self) {
        self.lacks_values.store(true, Ordering::Relaxed);
    }

    pub(super) fn lacks_values(&self) -> bool {
        self.lacks_values.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, hook: &'static str, verdict: Verdict) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = kept.hooks.entry(hook.to_owned()).or_default();
        let count = match verdict {
            Verdict::Same => &mut counts.same,
            Verdict::Different => &mut counts.different,
            Verdict::Failed => &mut counts.failed,
            Verdict::NotComparable => &mut counts.not_comparable,
            Verdict::Missed => &mut counts.missed,
        };
        *count += 1;
    }

    pub(super) fn keep(&self, difference: Difference) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.differences.push_front(difference);
        kept.differences.truncate(KEPT);
    }

    pub(super) fn keep_withheld(&self, call: &Call<'_>, withheld: Withheld) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, count) in withheld.counts {
            *kept.withheld.entry(kind).or_default() += count;
        }
        for (kind, what) in withheld.acts {
            let (hook, about) = (call.hook.to_owned(), call.about.map(str::to_owned));
            kept.acts.push_front(Act { at: call.at, hook, about, kind, what });
        }
        kept.acts.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_differences_are_kept_and_all_are_counted() {
        let comparison = Comparison::default();
        for number in 0..60 {
            let difference = Difference {
                at: Timestamp::UNIX_EPOCH,
                hook: "notify".to_owned(),
                about: Some(number.to_string()),
                beside: None,
                enforced: String::new(),
                shadow: String::new(),
            };
            comparison.count("notify", Verdict::Different);
            comparison.keep(difference);
        }
        let so_far = comparison.so_far();
        assert_eq!((so_far.hooks["notify"].different, so_far.differences.len()), (60, KEPT));
        assert_eq!(so_far.differences[0].about.as_deref(), Some("59"));
    }
}
