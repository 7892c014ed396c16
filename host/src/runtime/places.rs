//! Places for instances: as many as the pool has, and shares of them, so that nobody takes all.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Urgency;

/// Places for instances. One instance takes one or several.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// For calls that nobody waits for, and for instances that wait for calls: the rest is for those that a client
    /// waits for.
    background: Arc<Semaphore>,
    /// For instances that are kept between calls. A part of those of the background, so that however many are kept, there
    /// are places for either kind of call.
    warm: Arc<Semaphore>,
    /// For calls of shadows, of which nothing comes: another part of those of the background, so that however slow they are,
    /// they hold up no job.
    shadow: Arc<Semaphore>,
}

/// Places that one instance has, for as long as it lives.
pub(super) struct Held {
    count: u32,
    _all: OwnedSemaphorePermit,
    background: Option<OwnedSemaphorePermit>,
    warm: Option<OwnedSemaphorePermit>,
    shadow: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(slots: u32) -> Self {
        let share = |count: u32| Arc::new(Semaphore::new(count.max(1) as usize));
        Self { all: share(slots), background: share(slots * 3 / 4), warm: share(slots / 4), shadow: share(slots / 4) }
    }

    /// Waits for so many places for one call.
    pub(super) async fn for_call(&self, count: u32, urgency: Urgency) -> Option<Held> {
        let some_of = async |share: &Arc<Semaphore>| Arc::clone(share).acquire_many_owned(count).await.ok();
        let shadow = match urgency {
            Urgency::Shadow => Some(some_of(&self.shadow).await?),
            Urgency::ClientWaits | Urgency::Background => None,
        };
        let background = match urgency {
            Urgency::Background | Urgency::Shadow => Some(some_of(&self.background).await?),
            Urgency::ClientWaits => None,
        };
        Some(Held { count, background, shadow, ..self.for_trial(count).await? })
    }

    /// The same for a trial, which has an end and waits for its turn.
    pub(super) async fn for_trial(&self, count: u32) -> Option<Held> {
        let all = Arc::clone(&self.all).acquire_many_owned(count).await.ok()?;
        Some(Held { count, _all: all, background: None, warm: None, shadow: None })
    }

    /// The places of a call that has ended, as those of an instance that is kept. `None` gives them up: others need them.
    pub(super) fn keep(&self, mut held: Held) -> Option<Held> {
        for (share, part) in [(&self.background, &mut held.background), (&self.warm, &mut held.warm)] {
            if part.is_none() {
                *part = Some(Arc::clone(share).try_acquire_many_owned(held.count).ok()?);
            }
        }
        // From here on it is one of those that are kept, of which there are few.
        held.shadow = None;
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest pool, the smallest, and a machine without one.
    #[tokio::test]
    async fn however_many_instances_are_kept_every_kind_of_call_finds_a_place() {
        for slots in [250, 12, 16] {
            let places = Places::new(slots);
            let mut kept = Vec::new();
            while let Some(held) = places.keep(places.for_call(1, Urgency::ClientWaits).await.unwrap()) {
                kept.push(held);
            }
            assert_eq!(kept.len() as u32, slots / 4);
            // Shadows take their part, and none that is another's.
            let shadows = places.shadow.available_permits() as u32;
            assert_eq!(shadows, slots / 4);
            let shadow = places.for_call(shadows, Urgency::Shadow).await.unwrap();
            assert!(places.background.available_permits() as u32 >= slots / 4, "jobs find none beside {shadows} shadows");
            drop(shadow);
            // What nobody waits for may take what it has left, and still a client finds a place.
            let background = places.background.available_permits() as u32;
            assert!(background >= slots / 4, "{background} of {slots}");
            let _jobs = places.for_call(background, Urgency::Background).await.unwrap();
            let left = places.all.available_permits() as u32;
            assert!(left >= slots / 4, "{left} of {slots}");
            // And what is no longer kept is there again.
            kept.clear();
            assert_eq!(places.warm.available_permits() as u32, slots / 4);
        }
    }
}
