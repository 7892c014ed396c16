//! The provider's keys: one that signs for each algorithm, with those that come and those that went.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use super::jwk::Jwk;
use super::jws::{JwtFault, UnverifiedJws};
use super::key_files::{FIRST, KeyFiles, file_of};
use super::key_set::{Jwks, PublicKeys};
use super::pair::SigningPair;
use super::schedule::{self, Change, Entry, KeyPolicy, KeyState, PUBLISH_AHEAD};
use crate::protocol::algorithm::JwsAlgorithm;

/// The keys of one provider. Clones are the same ring.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    files: KeyFiles,
    policy: KeyPolicy,
    current: RwLock<Arc<Snapshot>>,
    /// Held by whoever changes the ring, so that changes follow one another on the disk and in memory.
    changing: Mutex<()>,
    /// Keys that a thread of their own makes, until they are made.
    making: Mutex<BTreeMap<JwsAlgorithm, Making>>,
    made: Condvar,
}

enum Making {
    UnderWay,
    Failed(String),
}

/// The ring at one moment. It is replaced whole, so that whoever signs waits for nobody.
#[derive(Clone, Default)]
struct Snapshot {
    entries: Vec<Entry>,
    /// The private keys of those that are not retired.
    pairs: Vec<Arc<SigningPair>>,
    /// The public keys of all.
    own: PublicKeys,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list().iter().map(|entry| (entry.alg, &entry.kid, entry.state))).finish()
    }
}

impl KeyRing {
    /// Opens the ring in `directory`, and does what has fallen due. Keys that are missing are made: ES256 at once, RSA
    /// on a thread of its own, because it takes a good part of a second and the host need not wait for it to start.
    ///
    /// # Errors
    /// When a file cannot be read or written, is open to others, or is not what it should be.
    pub fn open(directory: &Path, policy: KeyPolicy, now: Timestamp) -> anyhow::Result<Self> {
        let files = KeyFiles::new(directory);
        let mut snapshot = Snapshot::default();
        let before = files.entries()?;
        for entry in &before {
            Jwk::parse(&entry.public).map_err(|what| anyhow::anyhow!("ring.json: the public key {}: {what}", entry.kid))?;
            if entry.is_retired() {
                // It was retired, and the host ended before its file was removed; unless another key stands there by now.
                if before.iter().all(|other| other.is_retired() || other.file != entry.file) {
                    files.remove(&entry.file)?;
                }
                snapshot.entries.push(entry.clone());
            } else if let Some(pair) = files.read(entry.alg, &entry.file)? {
                if pair.kid() != entry.kid {
                    bail!("{} holds another key than ring.json says: restore both from one backup", entry.file);
                }
                snapshot.pairs.push(Arc::new(pair));
                snapshot.entries.push(entry.clone());
            } else {
                // Whoever takes a key away means it: nothing that it signed is accepted any more.
                tracing::warn!(kid = entry.kid, alg = %entry.alg, file = entry.file, "the key's file is gone; the key is forgotten");
            }
        }
        let mut changes = Vec::new();
        for unnamed in files.unnamed(&before)? {
            if policy.algorithms.contains(&unnamed.0) {
                changes.extend(snapshot.adopt(&files, unnamed, &policy, now)?);
            }
        }
        changes.extend(schedule::advance(&mut snapshot.entries, &policy, now));
        let missing: Vec<JwsAlgorithm> = policy.algorithms.iter().copied().filter(|alg| snapshot.active(*alg).is_none()).collect();
        let ring = Self(Arc::new(Inner {
            files,
            policy,
            current: RwLock::default(),
            changing: Mutex::default(),
            making: Mutex::default(),
            made: Condvar::new(),
        }));
        if snapshot.entries == before {
            ring.0.publish(snapshot);
        } else {
            ring.0.change(|current| {
                *current = snapshot;
                Ok(changes)
            })?;
        }
        ring.make_missing(missing, now)?;
        Ok(ring)
    }

    /// Signs claims with the key that is active for `alg`, as a JWS in compact form (RFC 7515 7.1) of this `typ`: `JWT`,
    /// or `at+jwt` for an access token (RFC 9068 2.1). At the very first start it may wait for the key to be made.
    ///
    /// # Errors
    /// When there is no such key, the claims cannot be written as JSON, or the signature fails.
    pub fn sign(&self, alg: JwsAlgorithm, typ: &str, claims: &impl Serialize) -> anyhow::Result<String> {
        let pair = self.0.current().active(alg);
        pair.map_or_else(|| self.0.wait_for(alg), Ok)?.sign(typ, claims)
    }

    /// What can be signed with, in the operator's order.
    pub fn algorithms(&self) -> &[JwsAlgorithm] {
        &self.0.policy.algorithms
    }

    /// What clients verify with.
    pub fn jwks(&self, now: Timestamp) -> Jwks {
        let current = self.0.current();
        let complete = self.0.policy.algorithms.iter().all(|alg| current.active(*alg).is_some());
        let published = current.entries.iter().filter(|entry| entry.is_published(now));
        let key = |entry: &Entry| current.own.keys().iter().find(|key| key.is_ours(&entry.kid, entry.alg));
        let keys = published.filter_map(key);
        Jwks::of(keys.cloned().collect(), complete)
    }

    /// Verifies a token of ours, also one that a retired key signed, as long as that is remembered.
    ///
    /// # Errors
    /// When it is none.
    pub fn verify_own<'a>(&self, jws: &'a UnverifiedJws) -> Result<&'a Map<String, Value>, JwtFault> {
        // Every token of ours names its key.
        jws.header().kid.as_ref().ok_or(JwtFault::UnknownKey)?;
        jws.verify(&self.0.current().own, &JwsAlgorithm::ASYMMETRIC)
    }

    /// Makes the key that comes next, for one algorithm or for all, and publishes it; it takes over after
    /// [`PUBLISH_AHEAD`], and the one that signs until then stays published for `overlap`. Where one is on its way
    /// already, nothing happens. It makes keys, and so belongs where blocking is allowed.
    ///
    /// # Errors
    /// When there is no such algorithm, or a key cannot be made or kept.
    pub fn rotate(&self, which: Option<JwsAlgorithm>, overlap: Option<SignedDuration>, now: Timestamp) -> anyhow::Result<Vec<Change>> {
        let configured = &self.0.policy.algorithms;
        let algorithms = match which {
            Some(alg) if !configured.contains(&alg) => bail!("{alg} is not among the provider's algorithms"),
            Some(alg) => vec![alg],
            None => configured.clone(),
        };
        let mut changes = Vec::new();
        for alg in algorithms {
            if self.0.current().entries.iter().any(|entry| entry.alg == alg && entry.is_next()) {
                continue;
            }
            changes.extend(self.0.make(alg, overlap, now)?);
        }
        Ok(changes)
    }

    /// Does what has fallen due: keys take over, retire and are forgotten, and those that have signed long enough get a
    /// successor. To be called every minute; it may make keys, and so belongs where blocking is allowed.
    ///
    /// # Errors
    /// When a key cannot be made or kept. What was not done is done at the next call.
    pub fn advance(&self, now: Timestamp) -> anyhow::Result<Vec<Change>> {
        let inner = &self.0;
        let mut due = inner.current().entries.clone();
        let mut changes = Vec::new();
        if !schedule::advance(&mut due, &inner.policy, now).is_empty() {
            changes = inner.change(|current| Ok(schedule::advance(&mut current.entries, &inner.policy, now)))?;
        }
        let current = inner.current();
        let mut wanted = schedule::wants_next(&current.entries, &inner.policy, now);
        wanted.extend(inner.policy.algorithms.iter().filter(|alg| current.active(**alg).is_none() && !inner.is_under_way(**alg)));
        for alg in wanted {
            changes.extend(inner.make(alg, None, now)?);
        }
        Ok(changes)
    }

    /// Takes in a key that was made elsewhere (PKCS #8). It signs at once where no other does, and else takes the place
    /// of whatever came next. A key that is here already is left as it is.
    ///
    /// # Errors
    /// When it is not such a key, was retired before, or cannot be kept.
    pub fn import(&self, alg: JwsAlgorithm, pkcs8_der: &[u8], now: Timestamp) -> anyhow::Result<Vec<Change>> {
        let pair = SigningPair::from_pkcs8(alg, pkcs8_der)?;
        if !self.0.policy.algorithms.contains(&alg) {
            bail!("{alg} is not among the provider's algorithms");
        }
        self.0.change(|current| match current.entries.iter().find(|entry| entry.kid == pair.kid() && entry.alg == alg) {
            Some(entry) if entry.is_retired() => bail!("the key {} was retired here before: make a new one", entry.kid),
            Some(_) => Ok(Vec::new()),
            None => {
                current.entries.retain(|entry| entry.alg != alg || !entry.is_next());
                current.add(&self.0, pair, pkcs8_der, None, true, now)
            }
        })
    }

    /// How long a key signs before the schedule replaces it; never, where there is none.
    pub fn rotate_after(&self) -> Option<SignedDuration> {
        self.0.policy.rotate_after
    }

    /// All keys, for operators.
    pub fn list(&self) -> Vec<Entry> {
        self.0.current().entries.clone()
    }

    /// Makes what is missing: first what is quick, then the rest on a thread.
    fn make_missing(&self, missing: Vec<JwsAlgorithm>, now: Timestamp) -> anyhow::Result<()> {
        let (quick, mut slow): (Vec<_>, Vec<_>) = missing.into_iter().partition(|alg| *alg == JwsAlgorithm::Es256);
        slow.sort_by_key(|alg| !matches!(alg, JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519));
        for alg in quick {
            self.0.make(alg, None, now)?;
        }
        if slow.is_empty() {
            return Ok(());
        }
        lock(&self.0.making).extend(slow.iter().map(|alg| (*alg, Making::UnderWay)));
        let inner = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("first keys".to_owned());
        thread.spawn(move || inner.make_slowly(slow, now)).context("no thread to make keys on")?;
        Ok(())
    }
}

impl Inner {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, mut snapshot: Snapshot) {
        let Snapshot { entries, pairs, own } = &mut snapshot;
        pairs.retain(|pair| entries.iter().any(|entry| entry.kid == pair.kid() && entry.alg == pair.algorithm() && !entry.is_retired()));
        *own = PublicKeys::of(entries.iter().filter_map(|entry| Jwk::parse(&entry.public).ok()).collect());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// Changes the ring: on the disk, then in memory, then away with the files of keys that sign no more.
    fn change(&self, how: impl FnOnce(&mut Snapshot) -> anyhow::Result<Vec<Change>>) -> anyhow::Result<Vec<Change>> {
        let _changing = lock(&self.changing);
        let before = self.current();
        let mut after = Snapshot::clone(&before);
        let changes = how(&mut after)?;
        if after.entries == before.entries {
            return Ok(changes);
        }
        self.files.keep(&after.entries)?;
        let signs: Vec<String> = after.entries.iter().filter(|entry| !entry.is_retired()).map(|entry| entry.file.clone()).collect();
        let known = before.entries.iter().chain(&after.entries);
        let gone: Vec<String> = known.map(|entry| entry.file.clone()).filter(|file| !signs.contains(file)).collect();
        self.publish(after);
        for change in &changes {
            tracing::info!("{change}");
        }
        for file in gone {
            // At the next start it is tried again.
            self.files.remove(&file).unwrap_or_else(|error| tracing::warn!("the file of a retired key: {error:#}"));
        }
        Ok(changes)
    }

    /// Makes a key: the active one, where there is none, or the next.
    fn make(&self, alg: JwsAlgorithm, overlap: Option<SignedDuration>, now: Timestamp) -> anyhow::Result<Vec<Change>> {
        let first = self.current().active(alg).is_none();
        // The slow part is outside the lock. What came in meanwhile stays, and what was made here is dropped.
        let (pair, der) = SigningPair::generate(alg)?;
        self.change(|current| {
            let taken = |entry: &Entry| entry.alg == alg && (entry.is_next() || first && entry.is_active());
            if current.entries.iter().any(taken) { Ok(Vec::new()) } else { current.add(self, pair, &der, overlap, false, now) }
        })
    }

    fn make_slowly(&self, missing: Vec<JwsAlgorithm>, now: Timestamp) {
        for alg in missing {
            let made = match self.current().active(alg) {
                Some(_) => Ok(Vec::new()),
                None => self.make(alg, None, now),
            };
            let mut making = lock(&self.making);
            match made {
                Ok(_) => drop(making.remove(&alg)),
                Err(error) => {
                    tracing::error!(%alg, "no key could be made: {error:#}");
                    making.insert(alg, Making::Failed(format!("{error:#}")));
                }
            }
            self.made.notify_all();
        }
    }

    fn is_under_way(&self, alg: JwsAlgorithm) -> bool {
        matches!(lock(&self.making).get(&alg), Some(Making::UnderWay))
    }

    fn wait_for(&self, alg: JwsAlgorithm) -> anyhow::Result<Arc<SigningPair>> {
        let mut making = lock(&self.making);
        loop {
            // A key is in the ring before it is no longer in the making.
            if let Some(pair) = self.current().active(alg) {
                return Ok(pair);
            }
            match making.get(&alg) {
                Some(Making::UnderWay) => making = self.made.wait(making).unwrap_or_else(PoisonError::into_inner),
                Some(Making::Failed(why)) => bail!("there is no {alg} key yet: {why}"),
                None => bail!("{alg} is not among the provider's algorithms"),
            }
        }
    }
}

impl Snapshot {
    fn active(&self, alg: JwsAlgorithm) -> Option<Arc<SigningPair>> {
        let entry = self.entries.iter().find(|entry| entry.alg == alg && entry.is_active())?;
        self.pairs.iter().find(|pair| pair.kid() == entry.kid && pair.algorithm() == alg).cloned()
    }

    /// Writes the key's file, and takes it in.
    fn add(
        &mut self,
        inner: &Inner,
        pair: SigningPair,
        der: &[u8],
        overlap: Option<SignedDuration>,
        imported: bool,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Change>> {
        // One file, one key: a retired one may still name the first file, and its file is removed at every start.
        let first = pair.algorithm() == JwsAlgorithm::Es256 && self.entries.iter().all(|entry| entry.file != FIRST);
        let first = first && self.active(JwsAlgorithm::Es256).is_none();
        let file = if first { FIRST.to_owned() } else { file_of(&pair) };
        inner.files.write(&file, der)?;
        self.take(pair, file, overlap.unwrap_or(inner.policy.overlap), imported, now)
    }

    /// Takes a key in whose file is there: it signs at once where none does, and is the next one otherwise.
    fn take(
        &mut self,
        pair: SigningPair,
        file: String,
        overlap: SignedDuration,
        imported: bool,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Change>> {
        let (alg, kid) = (pair.algorithm(), pair.kid().to_owned());
        let active = self.active(alg).is_none();
        let active_at = if active { now } else { schedule::after(now, PUBLISH_AHEAD) };
        let state = if active { KeyState::Active } else { KeyState::Next { active_at, overlap } };
        let public = serde_json::to_value(pair.public())?;
        self.entries.push(Entry { kid: kid.clone(), alg, state, since: now, created_at: now, imported, file, public });
        self.pairs.push(Arc::new(pair));
        Ok(vec![Change::Published { kid, alg, active_at }])
    }

    /// A file that no entry names: of a host that knew no ring, or that was killed in the middle.
    fn adopt(
        &mut self,
        files: &KeyFiles,
        (alg, file): (JwsAlgorithm, String),
        policy: &KeyPolicy,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Change>> {
        let Some(pair) = files.read(alg, &file)? else { return Ok(Vec::new()) };
        if self.entries.iter().any(|entry| entry.alg == alg && (entry.is_next() || entry.kid == pair.kid())) {
            tracing::warn!(file, %alg, "the ring has no place for this key file; remove it");
            return Ok(Vec::new());
        }
        self.take(pair, file, policy.overlap, false, now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
