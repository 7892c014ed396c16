//! What is remembered of parties, in a room that never grows.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many parties each map remembers.
pub(super) const ENTRIES: usize = 100_000;

/// A map that never grows beyond [`ENTRIES`]. Parties are remembered by a hash that nobody outside can predict: so each
/// takes the same room, whatever it calls itself.
pub(super) struct Recent<V> {
    hash: RandomState,
    halves: Mutex<Halves<V>>,
}

/// When the younger half is full, the older one is forgotten. What is asked for moves to the younger one.
struct Halves<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { hash: RandomState::new(), halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }) }
    }
}

impl<V: Copy + Default> Recent<V> {
    /// What is remembered of this party. Asking leaves no trace: names that nobody has must not drive out the others.
    pub(super) fn of(&self, party: &impl Hash) -> V {
        let key = self.hash.hash_one(party);
        let halves = self.lock();
        halves.young.get(&key).or_else(|| halves.old.get(&key)).copied().unwrap_or_default()
    }

    /// Looks at, and changes, what is remembered of this party, or at nothing yet.
    pub(super) fn with<T>(&self, party: &impl Hash, look: impl FnOnce(&mut V) -> T) -> T {
        let key = self.hash.hash_one(party);
        let mut halves = self.lock();
        let Halves { young, old } = &mut *halves;
        if !young.contains_key(&key) && young.len() >= ENTRIES / 2 {
            *old = std::mem::take(young);
        }
        look(young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, Halves<V>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::protocol::rate::Failures;

    #[test]
    fn a_map_is_bounded_and_forgets_what_was_longest_not_asked_for() {
        let recent = Recent::<u64>::default();
        for party in 0..5 * ENTRIES as u64 {
            recent.with(&party, |value| *value = party);
            assert_eq!(recent.with(&0, |value| std::mem::replace(value, 7)), if party == 0 { 0 } else { 7 }, "after {party}");
            let halves = recent.lock();
            assert!(halves.young.len() + halves.old.len() <= ENTRIES);
        }
        assert_eq!(recent.of(&1), 0, "it is remembered for ever");
        assert_eq!(recent.of(&0), 7);
        assert!(size_of::<(u64, Option<Timestamp>)>() <= 32 && size_of::<(u64, Failures)>() <= 32, "an entry has become bigger");
    }
}
