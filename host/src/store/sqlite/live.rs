//! Requests that live: clients poll for each of them every few seconds, and most polls find nothing new.
//!
//! Changed only on the writer's thread, in the order of the commits. What is not here is read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::protocol::identifier::{ClientId, Digest, TransactionId, UserId};
use crate::protocol::transaction::Request;

/// Requests that are remembered.
const REQUESTS: usize = 50_000;

/// See the module.
#[derive(Default)]
pub(super) struct Live(Mutex<HashMap<TransactionId, (Digest, Request)>>);

impl Live {
    /// The request, and the digest of its `auth_req_id`.
    pub(super) fn find(&self, transaction: &TransactionId) -> Option<(Digest, Request)> {
        self.lock().get(transaction).cloned()
    }

    /// A request was stored.
    pub(super) fn started(&self, auth_req_id: Digest, request: Request) {
        let mut requests = self.lock();
        if requests.len() >= REQUESTS {
            requests.clear();
        }
        requests.insert(request.transaction.clone(), (auth_req_id, request));
    }

    /// A request was decided, and now stands like this.
    pub(super) fn decided(&self, request: &Request) {
        if let Some((_, remembered)) = self.lock().get_mut(&request.transaction) {
            remembered.clone_from(request);
        }
    }

    /// A request was redeemed or reported: it will hardly be asked for again.
    pub(super) fn ended(&self, transaction: &TransactionId) {
        self.lock().remove(transaction);
    }

    /// Requests that expired before this are hardly asked for any more.
    pub(super) fn forget(&self, expired_before: Timestamp) {
        self.lock().retain(|_, (_, request)| request.expires_at >= expired_before);
    }

    /// All of a user's requests have changed.
    pub(super) fn forget_user(&self, user: &UserId) {
        self.lock().retain(|_, (_, request)| request.user != *user);
    }

    /// All of a client's requests have changed.
    pub(super) fn forget_client(&self, client: &ClientId) {
        self.lock().retain(|_, (_, request)| request.client != *client);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TransactionId, (Digest, Request)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
