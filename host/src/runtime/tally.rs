//! How a plugin's calls went, hook by hook: how many, how long, how they failed, and the most memory that one had. And
//! what it was refused.
//!
//! Counting is a few additions to numbers that are there already, because a call takes some ten microseconds: nothing is
//! allocated or locked but for a refusal. It begins with the host, and is lost with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hooks::{self, Hook};
use super::version::CallFailure;

/// The most microseconds of each bucket but the last, which has no end.
pub const BOUNDS: [u64; 20] = [
    5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000,
];
/// Refusals that are counted by name: a plugin may try as many addresses as there are.
const NAMES_MAX: usize = 64;
/// Where the others are counted.
const OTHERS: &str = "others";

/// See the module.
pub(super) struct Tally {
    hooks: Box<[OfHook]>,
    refused: Mutex<BTreeMap<String, u64>>,
}

/// What is counted of one hook.
#[derive(Default)]
struct OfHook {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    failures: [AtomicU64; CallFailure::WORDS.len()],
    memory: AtomicU64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { hooks: hooks::CALLED.iter().map(|_| OfHook::default()).collect(), refused: Mutex::default() }
    }

    /// A call has ended.
    pub(super) fn count_call<H: Hook>(&self, took: Duration, failure: Option<&CallFailure>, memory: usize) {
        let hook = self.of::<H>();
        let micros = micros(took);
        hook.buckets[BOUNDS.partition_point(|most| *most < micros)].fetch_add(1, Ordering::Relaxed);
        hook.micros.fetch_add(micros, Ordering::Relaxed);
        hook.memory.fetch_max(memory as u64, Ordering::Relaxed);
        if let Some(failure) = failure {
            hook.count_failure(failure);
        }
    }

    /// There was no place for a call. It is not among the calls, because none happened.
    pub(super) fn count_busy<H: Hook>(&self, failure: &CallFailure) {
        self.of::<H>().count_failure(failure);
    }

    /// It asked for something that it may not have.
    pub(super) fn count_refusal(&self, what: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = refused.get_mut(what) {
            *count += 1;
        } else {
            let name = if refused.len() < NAMES_MAX { what } else { OTHERS };
            *refused.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// All that was counted.
    pub(super) fn read(&self) -> Tallied {
        let hooks = hooks::CALLED.iter().zip(&self.hooks).filter_map(|(name, hook)| hook.read(name)).collect();
        Tallied { hooks, refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }

    fn of<H: Hook>(&self) -> &OfHook {
        &self.hooks[const { hooks::place_of(H::NAME) }]
    }
}

impl OfHook {
    fn count_failure(&self, failure: &CallFailure) {
        self.failures[failure.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing where nothing happened.
    fn read(&self, name: &'static str) -> Option<HookTally> {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let latency = Latency { counts: self.buckets.iter().map(read).collect() };
        let failures: BTreeMap<String, u64> = CallFailure::WORDS
            .iter()
            .zip(&self.failures)
            .map(|(word, count)| ((*word).to_owned(), read(count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        (latency.calls() > 0 || !failures.is_empty()).then(|| HookTally {
            hook: name.to_owned(),
            calls: latency.calls(),
            micros: read(&self.micros),
            p50: latency.quantile(50),
            p95: latency.quantile(95),
            p99: latency.quantile(99),
            latency,
            failures,
            memory: read(&self.memory),
        })
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// What was counted of a plugin since the host started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied {
    /// Its hooks, as far as anything happened there.
    pub hooks: Vec<HookTally>,
    /// What it was refused because it may not: `inbox`, `http https://push.example.com`, or only `http` where no such host can
    /// be allowed. The first names that there were, and `others` for what came after them.
    pub refused: BTreeMap<String, u64>,
}

/// What was counted of one hook of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookTally {
    /// The hook, as the contract calls it.
    pub hook: String,
    /// Calls that ran and ended, well or not.
    pub calls: u64,
    /// Microseconds that they took together, waiting for a place not included.
    pub micros: u64,
    /// Half of the calls took at most so many microseconds. Of this and the next two: the end of a bucket, `null` where
    /// there was no call or the bucket has no end.
    pub p50: Option<u64>,
    /// The same of 95 in 100.
    pub p95: Option<u64>,
    /// The same of 99 in 100.
    pub p99: Option<u64>,
    /// How long they took.
    pub latency: Latency,
    /// By their stable words. `busy` are calls that found no place: those are not among `calls`.
    pub failures: BTreeMap<String, u64>,
    /// The most memory that an instance had when a call ended, in bytes: it never gives any back.
    pub memory: u64,
}

/// How many calls took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// One number for each of [`BOUNDS`], of the calls that took no longer and were in no bucket before; and one for the rest.
    pub counts: Vec<u64>,
}

impl Latency {
    /// All of them.
    pub fn calls(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// So many in a hundred took at most so many microseconds.
    pub fn quantile(&self, hundredths: u64) -> Option<u64> {
        let needed = (self.calls() * hundredths).div_ceil(100).max(1);
        let mut so_far = 0;
        let bucket = self.counts.iter().position(|count| {
            so_far += count;
            so_far >= needed
        })?;
        BOUNDS.get(bucket).copied()
    }

    /// Each bucket that has an end with it, then the last; and how many calls it has.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        BOUNDS.iter().copied().map(Some).chain([None]).zip(self.counts.iter().copied())
    }
}

impl Tallied {
    /// The sums of all hooks.
    pub fn counters(&self) -> Counters {
        let sum = |of: fn(&HookTally) -> u64| self.hooks.iter().map(of).sum();
        Counters {
            calls: sum(|hook| hook.calls),
            failures: sum(|hook| hook.failures.values().sum()),
            refused: self.refused.values().sum(),
            micros: sum(|hook| hook.micros),
        }
    }
}

/// How a plugin has been doing since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Calls of its hooks.
    pub calls: u64,
    /// Those that trapped, ran out of a limit, or answered an error; and those that found no place.
    pub failures: u64,
    /// Things it asked for without permission.
    pub refused: u64,
    /// Microseconds spent in calls.
    pub micros: u64,
}

#[cfg(test)]
mod tests {
    use super::super::hooks::{Inbound, Notify};
    use super::*;

    #[test]
    fn a_call_is_in_the_bucket_that_it_fits_into() {
        let tally = Tally::new();
        for (micros, failure) in [(0, None), (5, None), (6, None), (10_000_000, None), (10_000_001, Some(CallFailure::Stack))] {
            tally.count_call::<Notify>(Duration::from_micros(micros), failure.as_ref(), micros as usize);
        }
        tally.count_busy::<Notify>(&CallFailure::Busy(Duration::ZERO));
        tally.count_call::<Inbound>(Duration::from_micros(70), None, 1);
        let tallied = tally.read();
        let [inbound, notify] = &tallied.hooks[..] else { panic!("{tallied:?}") };
        assert_eq!((&*inbound.hook, &*notify.hook), ("incoming-handler", "notify"));
        let counted: Vec<_> = notify.latency.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Some(5), 2), (Some(10), 1), (Some(10_000_000), 1), (None, 1)]);
        assert_eq!((notify.calls, notify.micros, notify.memory), (5, 20_000_012, 10_000_001));
        assert_eq!((notify.p50, notify.p95, inbound.p99), (Some(10), None, Some(100)));
        assert_eq!(notify.failures, [("busy".to_owned(), 1), ("stack-limit".to_owned(), 1)].into());
        assert_eq!(tallied.counters(), Counters { calls: 6, failures: 2, refused: 0, micros: 20_000_082 });
        assert_eq!(Latency::default().quantile(50), None);
    }

    #[test]
    fn whatever_a_plugin_tries_only_so_many_names_are_kept() {
        let tally = Tally::new();
        for tried in 0..1_000 {
            tally.count_refusal(&format!("http https://{tried}.example"));
            tally.count_refusal("http https://0.example");
        }
        let tallied = tally.read();
        assert_eq!(tallied.refused.len(), NAMES_MAX + 1);
        assert_eq!(tallied.counters().refused, 2_000);
        assert_eq!((tallied.refused["http https://0.example"], tallied.refused[OTHERS]), (1_001, 936));
    }

    #[test]
    fn every_failure_is_counted_by_the_word_that_it_says() {
        let why = String::new;
        let all = [
            CallFailure::Trap(why()),
            CallFailure::CpuTime(Duration::ZERO),
            CallFailure::WallTime(Duration::ZERO),
            CallFailure::Memory(1),
            CallFailure::Size(why()),
            CallFailure::Stack,
            CallFailure::Settings(why()),
            CallFailure::Temporary(why()),
            CallFailure::Script(why()),
            CallFailure::Answer(why()),
            CallFailure::Busy(Duration::ZERO),
            CallFailure::NoHook(""),
        ];
        assert_eq!(all.len(), CallFailure::WORDS.len());
        for (place, failure) in all.iter().enumerate() {
            assert_eq!(failure.place(), place);
            assert!(failure.to_string().starts_with(&format!("[{}]", failure.word())), "{failure}");
        }
    }
}
