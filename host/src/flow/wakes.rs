//! Who must be told that something changed. A wake-up is never the truth: whoever wakes looks in the store.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use crate::protocol::identifier::{TransactionId, UserId};
use crate::store::Lane;

/// Wake-ups of this process.
#[derive(Clone, Default)]
pub struct Wakes {
    /// Device pages, by user.
    users: Channels<UserId>,
    /// Held polls, by request.
    transactions: Channels<TransactionId>,
    /// The delivery workers, each.
    jobs: Arc<[Notify; 2]>,
}

impl Wakes {
    /// Something a user's device page shows has changed.
    pub fn user_changed(&self, user: &UserId) {
        self.users.wake(user, false);
    }

    /// A user's devices have changed: a page may no longer be one of them.
    pub fn devices_changed(&self, user: &UserId) {
        self.users.wake(user, true);
    }

    /// Wakes for one user's device pages.
    pub fn of_user(&self, user: &UserId) -> Waiting<UserId> {
        self.users.wait_for(user)
    }

    /// A request was decided.
    pub fn decided(&self, transaction: &TransactionId, user: &UserId) {
        self.transactions.wake(transaction, false);
        self.users.wake(user, false);
        self.job_added();
    }

    /// Wakes for one request.
    pub fn of_transaction(&self, transaction: &TransactionId) -> Waiting<TransactionId> {
        self.transactions.wait_for(transaction)
    }

    /// There may be a job that is due.
    pub fn job_added(&self) {
        for worker in &*self.jobs {
            worker.notify_one();
        }
    }

    /// The next time there may be a job of this lane.
    pub async fn job(&self, lane: Lane) {
        self.jobs[lane as usize].notified().await;
    }
}

/// One channel per key, which goes when nobody waits on it.
struct Channels<K>(Arc<Mutex<HashMap<K, watch::Sender<u64>>>>);

impl<K> Clone for Channels<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Channels<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Channels<K> {
    fn wake(&self, key: &K, devices: bool) {
        if let Some(channel) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            channel.send_modify(|changes| *changes += u64::from(devices));
        }
    }

    fn wait_for(&self, key: &K) -> Waiting<K> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = channels.entry(key.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe();
        let devices = *receiver.borrow();
        Waiting { receiver, devices, key: key.clone(), channels: self.clone() }
    }
}

/// Somebody who waits.
pub struct Waiting<K: Clone + Eq + Hash> {
    receiver: watch::Receiver<u64>,
    /// How often the devices had changed at the last look.
    devices: u64,
    key: K,
    channels: Channels<K>,
}

impl<K: Clone + Eq + Hash> Waiting<K> {
    /// Returns at the next change, or at once if there was one since the last; says whether devices have changed.
    pub async fn changed(&mut self) -> bool {
        // The sender lives as long as anybody waits.
        let _ = self.receiver.changed().await;
        let devices = *self.receiver.borrow_and_update();
        std::mem::replace(&mut self.devices, devices) != devices
    }
}

impl<K: Clone + Eq + Hash> Drop for Waiting<K> {
    fn drop(&mut self) {
        let mut channels = self.channels.0.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.get(&self.key).is_some_and(|channel| channel.receiver_count() <= 1) {
            channels.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_and_leaves_nothing_behind() {
        let wakes = Wakes::default();
        let (alice, bob) = (UserId::from("alice"), UserId::from("bob"));
        let (mut one, mut two) = (wakes.of_user(&alice), wakes.of_user(&alice));
        wakes.user_changed(&bob);
        wakes.user_changed(&alice);
        one.changed().await;
        two.changed().await;
        drop(one);
        assert_eq!(wakes.users.0.lock().unwrap().len(), 1);
        drop(two);
        assert_eq!(wakes.users.0.lock().unwrap().len(), 0);
    }
}
