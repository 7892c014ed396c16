//! The public keys of clients: from their registration, or from where it says (`jwks_uri`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use url::Url;

use super::Flow;
use super::kept_keys::{Fetched, KeptKeys};
use crate::jose::{Jwk, PublicKeys, UnverifiedJws};
use crate::outbound::Caller;
use crate::protocol::algorithm::{JwsAlgorithm, KeyEncryption};
use crate::protocol::certificate::ClientCertificate;
use crate::protocol::client::{Client, ClientMetadata};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::ClientId;

/// The longest set that is read, in bytes.
const LENGTH_MAX: usize = 256 << 10;
/// How long a set is kept where its server does not say.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How often it is said of one client that its keys are of no use: it polls every few seconds.
const COMPLAIN_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Clients whose keys are remembered.
const CLIENTS: usize = 10_000;

/// Keys that were read already.
#[derive(Default)]
pub struct ClientKeys(Mutex<Halves>);

/// When the younger half is full, the older one is forgotten: a crowd of clients drives out those that have not been here
/// for longest, and not everybody at once. What is asked for moves to the younger one.
#[derive(Default)]
struct Halves {
    young: HashMap<ClientId, Entry>,
    old: HashMap<ClientId, Entry>,
}

/// One client's keys, and the registration that they belong to.
struct Entry {
    of: Arc<ClientMetadata>,
    keys: Source,
    /// When it was last said that they are of no use.
    complained: Option<Timestamp>,
}

/// Where a client's keys are.
#[derive(Clone)]
enum Source {
    Registered(Arc<PublicKeys>),
    Elsewhere(Arc<KeptKeys>),
}

impl ClientKeys {
    fn of(&self, client: &Client) -> Result<Source, String> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = &client.metadata;
        if let Some(entry) = clients.find(&client.id).filter(|entry| Arc::ptr_eq(&entry.of, metadata) || *entry.of == **metadata) {
            return Ok(entry.keys.clone());
        }
        let keys = match &metadata.jwks {
            Some(jwks) => {
                let keys = PublicKeys::parse(jwks).map_err(|what| format!("the client's registered jwks cannot be used: {what}"))?;
                Source::Registered(Arc::new(keys))
            }
            None => Source::Elsewhere(Arc::default()),
        };
        clients.keep(client.id.clone(), Entry { of: Arc::clone(metadata), keys: keys.clone(), complained: None });
        Ok(keys)
    }

    /// Whether it was not said within a minute that this client's keys are of no use.
    fn may_complain(&self, client: &ClientId, now: Timestamp) -> bool {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = clients.find(client) else { return true };
        let may = entry.complained.is_none_or(|last| now.duration_since(last) >= COMPLAIN_EVERY);
        if may {
            entry.complained = Some(now);
        }
        may
    }
}

impl Halves {
    fn find(&mut self, client: &ClientId) -> Option<&mut Entry> {
        if let Some((client, entry)) = self.old.remove_entry(client) {
            self.keep(client, entry);
        }
        self.young.get_mut(client)
    }

    fn keep(&mut self, client: ClientId, entry: Entry) {
        if self.young.len() >= CLIENTS / 2 && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, entry);
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
        let keys = match (self.client_keys.of(client)?, &client.metadata.jwks_uri) {
            (Source::Registered(keys), _) => Some(keys),
            (Source::Elsewhere(kept), Some(uri)) => {
                kept.get(&self.clock, fetch_keys(self.callbacks.clone(), client.id.clone(), uri.clone())).await
            }
            (Source::Elsewhere(_), None) => None,
        };
        keys.ok_or_else(|| "the client's keys are not known: its jwks_uri cannot be read, or it registered none".to_owned())
    }

    /// In which way this client wants its ID tokens encrypted, if it does, and with which key.
    ///
    /// # Errors
    /// `unauthorized_client` where there is no such key. The log says so, once a minute for each client.
    pub(super) async fn encryption_key(&self, client: &Client) -> Result<Option<(KeyEncryption, Jwk)>, ProtocolError> {
        let Some(encryption) = client.metadata.id_token_encrypted_response_alg else { return Ok(None) };
        let found = |keys: &PublicKeys| keys.encryption_key(encryption).cloned().map(|key| (encryption, key));
        let why = match self.client_keys(client).await {
            Ok(keys) => {
                if let Some(found) = found(&keys) {
                    return Ok(Some(found));
                }
                if let Some(found) = self.newer_client_keys(client, &keys).await.and_then(|newer| found(&newer)) {
                    return Ok(Some(found));
                }
                format!("the client has no key for {encryption}, in which its ID tokens are to be encrypted")
            }
            Err(why) => why,
        };
        if self.client_keys.may_complain(&client.id, self.clock.now()) {
            tracing::warn!(client = %client.id, "the client gets no tokens: {}.  do: tell whoever runs the client", why.escape_debug());
        }
        Err(ProtocolError::new(ErrorCode::UnauthorizedClient, why))
    }

    /// The same set fetched anew, where that is possible and something else than `old`.
    async fn newer_client_keys(&self, client: &Client, old: &Arc<PublicKeys>) -> Option<Arc<PublicKeys>> {
        match (self.client_keys.of(client).ok()?, &client.metadata.jwks_uri) {
            (Source::Elsewhere(kept), Some(uri)) => {
                kept.newer(old, &self.clock, fetch_keys(self.callbacks.clone(), client.id.clone(), uri.clone())).await
            }
            _ => None,
        }
    }
}

async fn fetch_keys(caller: Caller, client: ClientId, uri: String) -> Option<Fetched> {
    let url = Url::parse(&uri).map_err(|error| error.to_string());
    let fetched = match &url {
        Ok(url) => fetch_key_set(&caller, url).await,
        Err(error) => Err(error.clone()),
    };
    if let Err(error) = &fetched {
        tracing::warn!(%client, "the client's jwks_uri cannot be used: {}.  do: tell whoever runs the client", error.escape_debug());
    }
    fetched.ok()
}

/// Fetches a key set of somebody else's.
pub(super) async fn fetch_key_set(caller: &Caller, url: &Url) -> Result<Fetched, String> {
    let fetched = caller.get(url, LENGTH_MAX, "application/jwk-set+json, application/json").await.map_err(|error| error.to_string())?;
    if fetched.status != 200 {
        return Err(format!("{url} answers {}", fetched.status));
    }
    let kept = fetched.max_age.and_then(|age| SignedDuration::try_from(age).ok()).unwrap_or(KEPT);
    Ok((read_key_set(&fetched.body)?, kept))
}

/// Reads a key set.
pub(super) fn read_key_set(text: &[u8]) -> Result<PublicKeys, String> {
    let jwks: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    PublicKeys::parse(&jwks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{ClientKind, Origin};
    use crate::protocol::identifier::Digest;

    #[test]
    fn a_crowd_of_clients_drives_out_those_that_were_not_here_for_longest() {
        let kept = ClientKeys::default();
        let client = |id: &str| Client::with_secret(id.into(), id, ClientKind::Ciba, Digest::of(b""), Origin::Command);
        let keys_of = |id: &str| match kept.of(&client(id)) {
            Ok(Source::Elsewhere(keys)) => keys,
            _ => panic!("{id} registered no keys"),
        };
        let (bank, shop) = (keys_of("bank"), keys_of("shop"));
        for number in 0..CLIENTS * 2 {
            keys_of(&format!("crowd-{number}"));
            assert!(Arc::ptr_eq(&bank, &keys_of("bank")), "{number}: a client that is here all the time was forgotten");
            let halves = kept.0.lock().unwrap();
            assert!(halves.young.len() + halves.old.len() <= CLIENTS);
        }
        assert!(!Arc::ptr_eq(&shop, &keys_of("shop")), "it is remembered for ever");
    }
}
