//! Key sets of others that were fetched, and are kept.
//!
//! A set is kept as long as its server says, within bounds. When a key is not in it, its owner may have rotated, and it is
//! fetched again, but not for everybody who invents a name. While it is fetched, and when its server is away, the set at
//! hand goes on being used, for a day.
//!
//! A fetch that was begun is finished, also when whoever caused it hangs up: else a stranger who does could have a server
//! asked without a pause, and keep the new keys from whoever they belong to.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedMutexGuard;

use crate::clock::Clock;
use crate::jose::PublicKeys;

/// How long a set is kept at least and at most.
const KEPT_MIN: SignedDuration = SignedDuration::from_secs(60);
const KEPT_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long a set is used when it cannot be fetched again.
const STALE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two fetches of one set.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// One set. Whoever fetches holds `fetching`; keys at hand are handed out meanwhile.
#[derive(Default)]
pub(super) struct KeptKeys {
    known: Mutex<Known>,
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<PublicKeys>>,
    fetched_at: Option<Timestamp>,
    fresh_until: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

/// A set that was fetched, and how long its server lets it be kept.
pub(super) type Fetched = (PublicKeys, SignedDuration);

impl KeptKeys {
    /// The keys. `fetch` runs only where they are not there, or no longer fresh; it says in the log what went wrong.
    pub(super) async fn get(
        self: &Arc<Self>,
        clock: &Clock,
        fetch: impl Future<Output = Option<Fetched>> + Send + 'static,
    ) -> Option<Arc<PublicKeys>> {
        let now = clock.now();
        let (at_hand, fresh) = {
            let known = self.known();
            (known.usable(now), known.is_fresh(now))
        };
        if fresh {
            return at_hand;
        }
        // Keys that should be fetched again are good meanwhile: one request fetches, and the others do not wait for it.
        let turn = match &at_hand {
            Some(_) => Arc::clone(&self.fetching).try_lock_owned().ok(),
            None => Some(Arc::clone(&self.fetching).lock_owned().await),
        };
        if let Some(turn) = turn.filter(|_| !self.known().is_fresh(clock.now())) {
            self.fetch(turn, clock, fetch).await;
        }
        self.known().usable(clock.now()).or(at_hand)
    }

    /// The same set fetched anew, where that is something else than `old`.
    pub(super) async fn newer(
        self: &Arc<Self>,
        old: &Arc<PublicKeys>,
        clock: &Clock,
        fetch: impl Future<Output = Option<Fetched>> + Send + 'static,
    ) -> Option<Arc<PublicKeys>> {
        let newer = || self.known().keys.clone().filter(|keys| !Arc::ptr_eq(keys, old));
        // Nobody waits for nothing: a stranger's invented names would make a queue.
        if self.known().is_paused(clock.now()) {
            return newer();
        }
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        // Somebody else may have fetched it while we waited.
        if newer().is_none() {
            self.fetch(turn, clock, fetch).await;
        }
        newer()
    }

    async fn fetch(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        clock: &Clock,
        fetch: impl Future<Output = Option<Fetched>> + Send + 'static,
    ) {
        if self.known().is_paused(clock.now()) {
            return;
        }
        let (kept_keys, clock) = (Arc::clone(self), clock.clone());
        let work = async move {
            let fetched = fetch.await;
            let now = clock.now();
            let mut known = kept_keys.known();
            // From the end of a try on, however long it took.
            known.tried_at = Some(now);
            if let Some((keys, kept)) = fetched {
                known.keys = Some(Arc::new(keys));
                known.fetched_at = Some(now);
                known.fresh_until = Some(now + kept.clamp(KEPT_MIN, KEPT_MAX));
            }
            drop((known, turn));
        };
        if let Err(failed) = tokio::spawn(work).await
            && failed.is_panic()
        {
            std::panic::resume_unwind(failed.into_panic());
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The keys, unless they are too old to be used at all.
    fn usable(&self, now: Timestamp) -> Option<Arc<PublicKeys>> {
        let stale = self.fetched_at.is_some_and(|at| now.duration_since(at) > STALE_MAX);
        self.keys.clone().filter(|_| !stale)
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.tried_at.is_some_and(|tried| now.duration_since(tried) < PAUSE)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn key_set() -> PublicKeys {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        PublicKeys::parse(&serde_json::json!({ "keys": [key] })).unwrap()
    }

    async fn good() -> Option<Fetched> {
        Some((key_set(), SignedDuration::from_mins(10)))
    }

    async fn away() -> Option<Fetched> {
        None
    }

    async fn unwanted() -> Option<Fetched> {
        panic!("it is fetched too often")
    }

    #[tokio::test]
    async fn a_set_is_kept_survives_an_outage_for_a_day_and_is_not_fetched_for_every_invented_name() {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let kept = Arc::new(KeptKeys::default());
        assert!(kept.get(&clock, away()).await.is_none());
        assert!(kept.get(&clock, unwanted()).await.is_none(), "a moment after it failed");
        clock.advance(PAUSE);
        let first = kept.get(&clock, good()).await.unwrap();
        assert!(Arc::ptr_eq(&first, &kept.get(&clock, unwanted()).await.unwrap()));
        assert!(kept.newer(&first, &clock, unwanted()).await.is_none(), "a name that somebody invented");
        clock.advance(PAUSE);
        let second = kept.newer(&first, &clock, good()).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        clock.advance(SignedDuration::from_hours(24));
        assert!(Arc::ptr_eq(&second, &kept.get(&clock, away()).await.unwrap()));
        clock.advance(PAUSE);
        assert!(kept.get(&clock, away()).await.is_none(), "older than a day");
    }

    #[tokio::test]
    async fn a_fetch_goes_on_when_whoever_caused_it_hangs_up() {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let kept = Arc::new(KeptKeys::default());
        let (answer, answered) = tokio::sync::oneshot::channel();
        let hangs_up = kept.get(&clock, async move { answered.await.ok() });
        assert!(hangs_up.now_or_never().is_none());
        answer.send((key_set(), SignedDuration::from_mins(10))).ok().unwrap();
        let first = kept.get(&clock, unwanted()).await.expect("what was begun is finished");

        clock.advance(PAUSE);
        let (answer, answered) = tokio::sync::oneshot::channel::<Fetched>();
        assert!(kept.newer(&first, &clock, async move { answered.await.ok() }).now_or_never().is_none());
        drop(answer);
        assert!(kept.newer(&first, &clock, unwanted()).await.is_none(), "the pause does not wait for who hung up");
        let _somebody = kept.fetching.lock().await;
        assert!(kept.newer(&first, &clock, unwanted()).now_or_never().is_some(), "in the pause nobody waits");
    }

    #[tokio::test]
    async fn keys_at_hand_are_used_while_somebody_fetches() {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let kept = Arc::new(KeptKeys::default());
        kept.get(&clock, good()).await.unwrap();
        clock.advance(SignedDuration::from_mins(11));
        let _somebody = kept.fetching.lock().await;
        assert!(kept.get(&clock, unwanted()).await.is_some());
    }
}
