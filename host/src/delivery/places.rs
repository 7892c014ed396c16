//! Places for calls to clients' endpoints: so many for each origin, so that one that is slow or dead waits for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Calls at the same time: to everybody, to one origin, to one that is slow, and to one that is silent.
const CALLS: usize = 256;
const PER_ORIGIN: usize = 16;
const TO_SLOW: usize = 4;
const TO_SILENT: usize = 2;
/// What takes longer was slow: a few origins that are would hold every call there is otherwise.
const SLOW: Duration = Duration::from_secs(2);
/// How many calls in a row without an answer make an origin silent.
const SILENT_AFTER: u32 = 3;
/// How many jobs wait in memory for a place at one origin. Those beyond are put back and come again.
const WAITING: usize = 64;
/// How soon those that were put back come again, how far behind each other, and how late at most.
const SOON: SignedDuration = SignedDuration::from_millis(100);
const APART: SignedDuration = SignedDuration::from_millis(2);
const SOON_IF_SILENT: SignedDuration = SignedDuration::from_secs(1);
const APART_IF_SILENT: SignedDuration = SignedDuration::from_millis(20);
const LATEST: SignedDuration = SignedDuration::from_secs(60);
/// How many origins are remembered before those that nobody calls are swept out.
const SWEEP_AT: usize = 1_000;

/// See the module.
pub(super) struct Places {
    origins: Mutex<HashMap<String, Origin>>,
    calls: Arc<Semaphore>,
}

struct Origin {
    places: Arc<Semaphore>,
    waiting: usize,
    calling: usize,
    /// Calls since the last answer.
    unanswered: u32,
    /// Whether the last answer was.
    slow: bool,
    /// When the last one that was put back comes again.
    turn: Timestamp,
}

/// A place for one call, or the wait for one, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    origin: String,
    /// Since when it calls.
    calling: Option<Instant>,
    permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Places {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { origins: Mutex::default(), calls: Arc::new(Semaphore::new(CALLS)) })
    }

    /// A place for a call to this origin, as soon as there is one. `now` is asked again after the wait.
    ///
    /// # Errors
    /// When to come again, because enough others wait.
    pub(super) async fn enter(self: &Arc<Self>, origin: &str, now: impl Fn() -> Timestamp) -> Result<Place, Timestamp> {
        let (mut place, places) = self.wait(origin, now())?;
        // They are never closed.
        place.permits[0] = places.acquire_owned().await.ok();
        place.call(now())?;
        place.permits[1] = Arc::clone(&self.calls).acquire_owned().await.ok();
        place.calling = Some(Instant::now());
        Ok(place)
    }

    /// Waits for those that call, and lets nobody else begin.
    pub(super) async fn drain(&self) {
        let all = u32::try_from(CALLS).unwrap_or(u32::MAX);
        drop(self.calls.acquire_many(all).await);
    }

    fn wait(self: &Arc<Self>, origin: &str, now: Timestamp) -> Result<(Place, Arc<Semaphore>), Timestamp> {
        let mut origins = self.lock();
        if origins.len() >= SWEEP_AT && !origins.contains_key(origin) {
            origins.retain(|_, origin| origin.waiting + origin.calling > 0);
        }
        let known = origins.entry(origin.to_owned()).or_insert_with(|| Origin {
            places: Arc::new(Semaphore::new(PER_ORIGIN)),
            waiting: 0,
            calling: 0,
            unanswered: 0,
            slow: false,
            turn: Timestamp::MIN,
        });
        if known.is_full() || known.waiting >= WAITING {
            return Err(known.next_turn(now));
        }
        known.waiting += 1;
        let place = Place { places: Arc::clone(self), origin: origin.to_owned(), calling: None, permits: [None, None] };
        Ok((place, Arc::clone(&known.places)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Origin>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    fn is_silent(&self) -> bool {
        self.unanswered >= SILENT_AFTER
    }

    /// Nobody waits for who is silent, or slow: a few try, and the others come again later.
    fn is_full(&self) -> bool {
        (self.is_silent() && self.calling >= TO_SILENT) || (self.slow && self.calling >= TO_SLOW)
    }

    fn next_turn(&mut self, now: Timestamp) -> Timestamp {
        let (soon, apart) = if self.is_silent() { (SOON_IF_SILENT, APART_IF_SILENT) } else { (SOON, APART) };
        let behind = self.turn.saturating_add(apart).unwrap_or(now);
        self.turn = behind.clamp(now + soon, now + LATEST);
        self.turn
    }
}

impl Place {
    /// The wait is over, unless the origin has fallen silent meanwhile.
    fn call(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let mut origins = self.places.lock();
        let Some(known) = origins.get_mut(&self.origin) else { return Ok(()) };
        if known.is_full() {
            return Err(known.next_turn(now));
        }
        known.waiting -= 1;
        known.calling += 1;
        self.calling = Some(Instant::now());
        Ok(())
    }

    /// Whether the origin answered, whatever it said.
    pub(super) fn answered(&self, answered: bool) {
        self.took(answered, self.calling.map(|since| since.elapsed()).unwrap_or_default());
    }

    fn took(&self, answered: bool, time: Duration) {
        if let Some(known) = self.places.lock().get_mut(&self.origin) {
            known.unanswered = if answered { 0 } else { known.unanswered.saturating_add(1) };
            known.slow = time > SLOW;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut origins = self.places.lock();
        let Some(known) = origins.get_mut(&self.origin) else { return };
        let count = if self.calling.is_some() { &mut known.calling } else { &mut known.waiting };
        *count -= 1;
        if known.waiting + known.calling == 0 && known.unanswered == 0 && !known.slow {
            origins.remove(&self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// As many places as there are without a wait, and what those hear who wait in vain.
    async fn fill(places: &Arc<Places>, origin: &str) -> Vec<Place> {
        let mut taken = Vec::new();
        while let Ok(Ok(place)) = tokio::time::timeout(Duration::from_millis(20), places.enter(origin, now)).await {
            taken.push(place);
        }
        taken
    }

    #[tokio::test]
    async fn one_origin_has_its_share_and_leaves_the_others_theirs() {
        let places = Places::new();
        let slow = fill(&places, "slow").await;
        assert_eq!(slow.len(), PER_ORIGIN);
        assert_eq!(fill(&places, "other").await.len(), PER_ORIGIN);
        // Whoever waits gets the place that is left.
        let waits = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.enter("slow", now).await.is_ok() }
        });
        drop(slow);
        assert!(waits.await.unwrap());
        assert!(places.lock().is_empty(), "an origin that nobody calls is remembered");
    }

    #[tokio::test]
    async fn those_that_would_wait_too_long_come_again_one_after_the_other() {
        let places = Places::new();
        let _calling = fill(&places, "slow").await;
        let _waiting: Vec<_> = (0..WAITING).map(|_| places.wait("slow", now()).unwrap()).collect();
        let turns: Vec<_> = (0..3).map(|_| places.wait("slow", now()).err().unwrap()).collect();
        assert_eq!(turns, [now() + SOON, now() + SOON + APART, now() + SOON + APART * 2]);
        for _ in 0..100_000 {
            assert!(places.wait("slow", now()).err().unwrap() <= now() + LATEST);
        }
    }

    #[tokio::test]
    async fn who_is_slow_is_called_by_a_few_until_it_is_not() {
        let places = Places::new();
        let calling = fill(&places, "slow").await;
        calling[0].took(true, SLOW + Duration::from_millis(1));
        drop(calling);
        let few = fill(&places, "slow").await;
        assert_eq!(few.len(), TO_SLOW);
        few[0].took(true, SLOW);
        drop(few);
        assert_eq!(fill(&places, "slow").await.len(), PER_ORIGIN);
    }

    #[tokio::test]
    async fn who_is_silent_is_tried_by_a_few_until_it_answers() {
        let places = Places::new();
        let mut calling = fill(&places, "dead").await;
        let waits = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.enter("dead", now).await.err() }
        });
        while places.lock()["dead"].waiting == 0 {
            tokio::task::yield_now().await;
        }
        for place in calling.drain(..SILENT_AFTER as usize) {
            place.answered(false);
        }
        assert_eq!(waits.await.unwrap(), Some(now() + SOON_IF_SILENT), "it waits for who is silent");
        drop(calling);
        let few = fill(&places, "dead").await;
        assert_eq!(few.len(), TO_SILENT);
        few[0].answered(true);
        drop(few);
        assert_eq!(fill(&places, "dead").await.len(), PER_ORIGIN);
    }
}
