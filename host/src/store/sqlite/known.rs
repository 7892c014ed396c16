//! Clients, users and devices that were read already: they are asked for at every step of every flow, and hardly ever
//! change.
//!
//! There is one process, and all it writes goes through the writer, which calls [`Known::forget`] after each commit
//! that touched one of these tables. A row that was read before that and arrives after it is not kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, Digest, UserId};
use crate::protocol::user::{Device, User};
use crate::store::StoreError;

/// Rows kept of each kind. Only what was found is kept, so that guessing fills nothing.
const KEPT: usize = 10_000;

/// Rows of one kind.
pub(super) struct Rows<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Known {
    /// How often rows were forgotten.
    changes: AtomicU64,
    pub(super) clients: Rows<ClientId, Client>,
    pub(super) users_by_hint: Rows<String, User>,
    pub(super) sessions: Rows<Digest, (Device, User)>,
    pub(super) devices: Rows<UserId, Vec<Device>>,
}

impl Known {
    /// The row that is kept, or the one that `read` finds.
    pub(super) fn or_read<K, V, Q>(
        &self,
        rows: &Rows<K, V>,
        key: &Q,
        read: impl FnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError>
    where
        K: std::borrow::Borrow<Q> + Eq + Hash,
        Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
        V: Clone,
    {
        if let Some(kept) = rows.lock().get(key) {
            return Ok(Some(kept.clone()));
        }
        let before = self.changes.load(Ordering::SeqCst);
        let found = read()?;
        if let Some(found) = &found {
            let mut rows = rows.lock();
            // Under the lock that `forget` takes after it has counted: it either is seen here, or empties this.
            if self.changes.load(Ordering::SeqCst) == before {
                if rows.len() >= KEPT {
                    rows.clear();
                }
                rows.insert(key.to_owned(), found.clone());
            }
        }
        Ok(found)
    }

    /// One of these tables has changed.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.clients.lock().clear();
        self.users_by_hint.lock().clear();
        self.sessions.lock().clear();
        self.devices.lock().clear();
    }
}

impl<K, V> Rows<K, V> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(known: &Known, found: Option<&str>) -> Option<String> {
        let read = || Ok(found.map(|name| User { name: name.to_owned(), ..nobody() }));
        known.or_read(&known.users_by_hint, "alice", read).unwrap().map(|user| user.name)
    }

    fn nobody() -> User {
        User { id: "u".into(), username: "alice".to_owned(), name: String::new(), email: None, phone: None, locale: None, declared: false }
    }

    #[test]
    fn a_row_is_read_once_until_something_changes() {
        let known = Known::default();
        assert_eq!(read(&known, None), None);
        assert_eq!(read(&known, Some("Alice")).as_deref(), Some("Alice"), "an absence was kept");
        assert_eq!(read(&known, Some("Alicia")).as_deref(), Some("Alice"));
        known.forget();
        assert_eq!(read(&known, Some("Alicia")).as_deref(), Some("Alicia"));
    }

    #[test]
    fn a_row_that_changed_while_it_was_read_is_not_kept() {
        let known = Known::default();
        let old = || {
            known.forget();
            Ok(Some(nobody()))
        };
        assert!(known.or_read(&known.users_by_hint, "alice", old).unwrap().is_some());
        assert_eq!(read(&known, Some("Alicia")).as_deref(), Some("Alicia"));
    }
}
