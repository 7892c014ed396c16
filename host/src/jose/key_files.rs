//! The ring on the disk: a file for each private key, and `ring.json`, which says what each of them is doing.
//!
//! A key's file is written before the ring names it, and removed after the ring has retired it: a power cut leaves a
//! file too many, never a key too few.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::pair::SigningPair;
use super::private_file::{read_private, write_private};
use super::schedule::Entry;
use crate::protocol::algorithm::JwsAlgorithm;

/// The first ES256 key has stood in this file since there was only one key.
pub(super) const FIRST: &str = "signing.pkcs8";
const RING: &str = "ring.json";

/// The directory of the keys.
pub(super) struct KeyFiles(PathBuf);

/// `ring.json`
#[derive(Serialize, Deserialize)]
struct Ring<T> {
    keys: T,
}

impl KeyFiles {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What the ring said last; nothing at the first start.
    pub(super) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let path = self.at(RING);
        let Some(bytes) = read_private(&path)? else { return Ok(Vec::new()) };
        let ring: Ring<Vec<Entry>> = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} cannot be read: restore it from a backup, together with the keys beside it", path.display()))?;
        Ok(ring.keys)
    }

    pub(super) fn keep(&self, entries: &[Entry]) -> anyhow::Result<()> {
        write_private(&self.at(RING), &serde_json::to_vec_pretty(&Ring { keys: entries })?)
    }

    /// The private key in this file, if it is there.
    pub(super) fn read(&self, alg: JwsAlgorithm, file: &str) -> anyhow::Result<Option<SigningPair>> {
        let path = self.at(file);
        let Some(der) = read_private(&path)? else { return Ok(None) };
        let pair = SigningPair::from_pkcs8(alg, &der);
        pair.map(Some)
            .with_context(|| format!("{}: restore it from a backup; without it every token issued so far is worthless", path.display()))
    }

    pub(super) fn write(&self, file: &str, der: &[u8]) -> anyhow::Result<()> {
        write_private(&self.at(file), der)
    }

    pub(super) fn remove(&self, file: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.at(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).with_context(|| format!("{file} cannot be removed")),
            _ => Ok(()),
        }
    }

    /// Key files that none of these entries names, oldest first: those of a host that knew no ring, or that was killed
    /// between a file and the ring. What it was still writing is removed.
    pub(super) fn unnamed(&self, entries: &[Entry]) -> anyhow::Result<Vec<(JwsAlgorithm, String)>> {
        let listed = fs::read_dir(&self.0).with_context(|| format!("{} cannot be read", self.0.display()))?;
        let mut found = Vec::new();
        for file in listed {
            let file = file.with_context(|| format!("{} cannot be read", self.0.display()))?;
            let Some(name) = file.file_name().to_str().map(str::to_owned) else { continue };
            if name.strip_suffix(".new").is_some_and(|stem| algorithm_of(&format!("{stem}.pkcs8")).is_some()) {
                self.remove(&name)?;
                continue;
            }
            let Some(alg) = algorithm_of(&name).filter(|_| entries.iter().all(|entry| entry.file != name)) else { continue };
            let modified = file.metadata().and_then(|about| about.modified()).ok();
            found.push((modified, alg, name));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, alg, name)| (alg, name)).collect())
    }
}

/// `PS256.KID.pkcs8`
pub(super) fn file_of(pair: &SigningPair) -> String {
    format!("{}.{}.pkcs8", pair.algorithm(), pair.kid())
}

fn algorithm_of(file: &str) -> Option<JwsAlgorithm> {
    if file == FIRST {
        return Some(JwsAlgorithm::Es256);
    }
    let (alg, kid) = file.strip_suffix(".pkcs8")?.split_once('.')?;
    JwsAlgorithm::from_name(alg).filter(|alg| JwsAlgorithm::ASYMMETRIC.contains(alg) && !kid.is_empty())
}
