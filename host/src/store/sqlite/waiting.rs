//! What waits on the device pages that are open: each is told again at every change, which is twice for every request.
//!
//! Changed only on the writer's thread, in the order of the commits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::rows::millis;
use crate::protocol::identifier::{TransactionId, UserId};

/// Pages that are remembered.
const PAGES: usize = 10_000;

/// A request that was shown and is not decided.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    /// Its row: the order in which requests were made.
    pub(super) id: i64,
    pub(super) transaction: TransactionId,
    /// In milliseconds.
    pub(super) expires_at: i64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<UserId, Vec<Waits>>>);

impl Waiting {
    /// What waits for this user, where that is remembered.
    pub(super) fn of(&self, user: &UserId, now: Timestamp) -> Option<Vec<TransactionId>> {
        let pages = self.lock();
        let waiting = pages.get(user)?.iter().filter(|waits| waits.expires_at > millis(now));
        Some(waiting.map(|waits| waits.transaction.clone()).collect())
    }

    /// This is all that waits for the user.
    pub(super) fn remember(&self, user: UserId, waiting: Vec<Waits>) {
        let mut pages = self.lock();
        if pages.len() >= PAGES {
            pages.clear();
        }
        pages.insert(user, waiting);
    }

    /// A request was shown to the user at `now`, perhaps not for the first time.
    pub(super) fn shown(&self, user: &UserId, shown: &Waits, now: Timestamp) {
        if let Some(waiting) = self.lock().get_mut(user) {
            // What has expired goes here, because nothing else ever takes it out.
            waiting.retain(|waits| waits.expires_at > millis(now));
            if let Err(place) = waiting.binary_search_by_key(&shown.id, |waits| waits.id) {
                waiting.insert(place, shown.clone());
            }
        }
    }

    /// A request was decided.
    pub(super) fn decided(&self, user: &UserId, transaction: &TransactionId) {
        if let Some(waiting) = self.lock().get_mut(user) {
            waiting.retain(|waits| waits.transaction != *transaction);
        }
    }

    /// More has changed than can be said.
    pub(super) fn forget(&self, user: &UserId) {
        self.lock().remove(user);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Vec<Waits>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
