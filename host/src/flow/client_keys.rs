//! The public keys of clients: from their registration, or from where it says (`jwks_uri`).
//!
//! A set that was fetched is kept as long as its server says, within bounds. When a key is not in it the client may have
//! rotated, and it is fetched again, but not for everybody who invents a name. When the server is away the set at hand
//! goes on being used for a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use url::Url;

use super::Flow;
use crate::jose::{PublicKeys, UnverifiedJws};
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::certificate::ClientCertificate;
use crate::protocol::client::{Client, ClientMetadata};
use crate::protocol::identifier::ClientId;

/// The longest set that is read, in bytes.
const LENGTH_MAX: usize = 256 << 10;
/// How long a set is kept at least and at most, and where its server does not say.
const KEPT_MIN: SignedDuration = SignedDuration::from_secs(60);
const KEPT_MAX: SignedDuration = SignedDuration::from_hours(24);
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How long a set is used when it cannot be fetched again.
const STALE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two fetches of one client's set.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Clients whose keys are remembered.
const CLIENTS: usize = 10_000;

/// Keys that were read already.
#[derive(Default)]
pub struct ClientKeys(Mutex<HashMap<ClientId, Arc<Entry>>>);

/// One client's keys. Whoever fetches holds `fetching`; keys at hand are handed out meanwhile.
#[derive(Default)]
struct Entry {
    known: Mutex<Known>,
    fetching: tokio::sync::Mutex<()>,
}

/// What is known of one client's keys.
#[derive(Clone, Default)]
struct Known {
    /// The registration they were read by.
    of: Option<Arc<ClientMetadata>>,
    keys: Option<Arc<PublicKeys>>,
    fetched_at: Option<Timestamp>,
    fresh_until: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl ClientKeys {
    fn of(&self, id: &ClientId) -> Arc<Entry> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS && !clients.contains_key(id) {
            clients.clear();
        }
        Arc::clone(clients.entry(id.clone()).or_default())
    }
}

impl Entry {
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

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    fn may_try(&self, now: Timestamp) -> bool {
        self.tried_at.is_none_or(|tried| now.duration_since(tried) >= PAUSE)
    }
}

impl Flow {
    /// Verifies a JWT with the client's keys; where its key is not known, with those that the client has now.
    ///
    /// # Errors
    /// Why it is not the client's, in words for `error_description`.
    pub async fn verify_by_client<'a>(
        &self,
        client: &Client,
        jws: &'a UnverifiedJws,
        allowed: &[JwsAlgorithm],
    ) -> Result<&'a Map<String, Value>, String> {
        let keys = self.client_keys(client).await?;
        match jws.verify(&keys, allowed) {
            Err(fault) if fault.new_keys_may_help() => {
                let newer = self.newer_client_keys(client, &keys).await.ok_or_else(|| fault.to_string())?;
                jws.verify(&newer, allowed).map_err(|fault| fault.to_string())
            }
            verified => verified.map_err(|fault| fault.to_string()),
        }
    }

    /// Whether the client registered this certificate (RFC 8705 2.2).
    ///
    /// # Errors
    /// When its keys cannot be had.
    pub async fn has_certificate(&self, client: &Client, certificate: &ClientCertificate) -> Result<bool, String> {
        let keys = self.client_keys(client).await?;
        if keys.has_certificate(&certificate.sha256) {
            return Ok(true);
        }
        let newer = self.newer_client_keys(client, &keys).await;
        Ok(newer.is_some_and(|keys| keys.has_certificate(&certificate.sha256)))
    }

    /// The client's public keys.
    ///
    /// # Errors
    /// When it registered none, or they cannot be had.
    pub async fn client_keys(&self, client: &Client) -> Result<Arc<PublicKeys>, String> {
        let unknown = || "the client's keys are not known: its jwks_uri cannot be read, or it registered none".to_owned();
        let entry = self.client_keys.of(&client.id);
        let now = self.clock.now();
        {
            let mut known = entry.known();
            let metadata = &client.metadata;
            if !known.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, metadata) || **of == **metadata) {
                *known = Known { of: Some(Arc::clone(metadata)), ..Known::default() };
            }
            if let (Some(jwks), None) = (&metadata.jwks, &known.keys) {
                let keys = PublicKeys::parse(jwks).map_err(|what| format!("the client's registered jwks cannot be used: {what}"))?;
                known.keys = Some(Arc::new(keys));
            }
            if metadata.jwks_uri.is_none() || known.is_fresh(now) {
                return known.usable(now).ok_or_else(unknown);
            }
        }
        // Keys that should be fetched again are good meanwhile: one request fetches, and the others do not wait for it.
        let at_hand = entry.known().usable(now);
        let turn = match &at_hand {
            Some(_) => entry.fetching.try_lock().ok(),
            None => Some(entry.fetching.lock().await),
        };
        if turn.is_some() {
            self.fetch_if_due(client, &entry, false).await;
        }
        entry.known().usable(self.clock.now()).or(at_hand).ok_or_else(unknown)
    }

    /// The same set fetched anew, where that is possible and something else than `old`.
    async fn newer_client_keys(&self, client: &Client, old: &Arc<PublicKeys>) -> Option<Arc<PublicKeys>> {
        client.metadata.jwks_uri.as_ref()?;
        let entry = self.client_keys.of(&client.id);
        let _turn = entry.fetching.lock().await;
        let newer = |entry: &Entry| entry.known().keys.clone().filter(|keys| !Arc::ptr_eq(keys, old));
        // Somebody else may have fetched it while we waited.
        if newer(&entry).is_none() {
            self.fetch_if_due(client, &entry, true).await;
        }
        newer(&entry)
    }

    /// Fetches a set and keeps it, or keeps the one at hand. The caller holds `fetching`.
    async fn fetch_if_due(&self, client: &Client, entry: &Entry, anew: bool) {
        let Some(uri) = &client.metadata.jwks_uri else { return };
        let now = self.clock.now();
        {
            let known = entry.known();
            if !known.may_try(now) || (known.is_fresh(now) && !anew) {
                return;
            }
        }
        let fetched = self.fetched(uri).await;
        let now = self.clock.now();
        let mut known = entry.known();
        // From the end of a try on, however long it took.
        known.tried_at = Some(now);
        match fetched {
            Ok((keys, kept)) => {
                known.keys = Some(Arc::new(keys));
                known.fetched_at = Some(now);
                known.fresh_until = Some(now + kept.clamp(KEPT_MIN, KEPT_MAX));
            }
            Err(error) => {
                tracing::warn!(client = %client.id, "the client's jwks_uri cannot be used: {}.  do: tell whoever runs the client", error.escape_debug());
            }
        }
    }

    async fn fetched(&self, uri: &str) -> Result<(PublicKeys, SignedDuration), String> {
        let url = Url::parse(uri).map_err(|error| error.to_string())?;
        let fetched =
            self.callbacks.get(&url, LENGTH_MAX, "application/jwk-set+json, application/json").await.map_err(|error| error.to_string())?;
        if fetched.status != 200 {
            return Err(format!("it answers {}", fetched.status));
        }
        let jwks: Value = serde_json::from_slice(&fetched.body).map_err(|error| error.to_string())?;
        let kept = fetched.max_age.and_then(|age| SignedDuration::try_from(age).ok()).unwrap_or(KEPT);
        Ok((PublicKeys::parse(&jwks)?, kept))
    }
}
