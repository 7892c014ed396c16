//! The data directory: what lies where, and who may use it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::clock::Random;
use crate::config::Config;
use crate::flow::declared::Here;
use crate::jose::{InstallationKeys, KeyPolicy, KeyRing, Seal, read_private, write_private};
use crate::protocol::identifier::Bearer;
use crate::store::sqlite::SqliteStore;

/// Where everything of one installation lies.
#[derive(Clone, Debug)]
pub(super) struct DataDirectory(PathBuf);

/// What a running host says about itself, for the command line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) admin: SocketAddr,
}

/// Held by the one host that uses the directory.
pub(super) struct Lock {
    _file: File,
}

impl DataDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn database(&self) -> PathBuf {
        self.0.join("ciba.db")
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.0.join("ciba.toml")
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Clients, users and keys in files.
    pub(super) fn declared(&self) -> PathBuf {
        self.0.join("declared")
    }

    /// What it takes to read those files as this configuration has it.
    pub(super) fn declared_for(&self, config: &Config) -> Here {
        Here { root: self.declared(), own: self.0.clone(), algorithms: config.keys.algorithms.clone() }
    }

    pub(super) fn samples(&self) -> PathBuf {
        self.0.join("samples")
    }

    /// The configuration: defaults, this directory's file, the environment.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config_file(), std::env::vars())?)
    }

    /// Makes the directory if it is not there, for this user alone.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        let not_ours = || {
            format!(
                "the data directory {} cannot be used.\n  do: choose another with --data, or let this user write there",
                self.0.display()
            )
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(not_ours)?;
        let mode = fs::metadata(&self.0).with_context(not_ours)?.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            bail!(
                "the data directory {} can be written by others (mode {mode:o}), who could put keys and plugins there.\n  do: chmod 700 {}",
                self.0.display(),
                self.0.display()
            );
        }
        // Found out now, by a name of its own, and not in the middle of a request.
        let probe = self.0.join(".writable");
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).with_context(not_ours)
    }

    /// Takes the directory for this process.
    pub(super) fn lock(&self) -> anyhow::Result<Lock> {
        match self.try_lock()? {
            Some(lock) => Ok(lock),
            None => {
                let by = self.running().map_or_else(String::new, |running| format!(" (process {})", running.pid));
                bail!("another ciba-host{by} uses {}.\n  do: stop it, or choose another directory with --data", self.0.display())
            }
        }
    }

    fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.0.join("host.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
        }
    }

    /// Whether a host runs here, and where it listens. Without one, the caller may use the directory itself while it
    /// holds the lock.
    pub(super) fn host(&self) -> anyhow::Result<Result<Running, Lock>> {
        if !self.0.is_dir() {
            bail!(
                "there is no data directory {}.\n  do: name it with --data, or start the host there first: ciba-host serve --data {}",
                self.0.display(),
                self.0.display()
            );
        }
        match self.try_lock()? {
            Some(lock) => Ok(Err(lock)),
            None => self.running().map(Ok).context("a host is starting here; try again in a moment"),
        }
    }

    fn running(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.0.join("host.json")).ok()?).ok()
    }

    pub(super) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        write_private(&self.0.join("host.json"), &serde_json::to_vec(running)?)
    }

    /// The host has stopped.
    pub(super) fn retire(&self) {
        let _ = fs::remove_file(self.0.join("host.json"));
    }

    pub(super) fn key_ring(&self, policy: KeyPolicy, now: jiff::Timestamp) -> anyhow::Result<KeyRing> {
        self.make_private("keys")?;
        KeyRing::open(&self.0.join("keys"), policy, now)
    }

    pub(super) fn installation_keys(&self, random: Random) -> anyhow::Result<InstallationKeys> {
        self.make_private("keys")?;
        InstallationKeys::load_or_make(&self.0.join("keys/installation.key"), random.bytes(), self.database().exists())
    }

    /// Opens the database. The key that belongs to it is made before it is: where a database is without its key, the key
    /// was lost.
    pub(super) fn open_store(&self, random: Random) -> anyhow::Result<SqliteStore> {
        if !self.database().exists() {
            self.installation_keys(random)?;
        }
        SqliteStore::open(&self.database())
    }

    /// Encrypts what is told again.
    pub(super) fn seal(&self, random: Random) -> anyhow::Result<Seal> {
        Ok(Seal::new(&self.installation_keys(random)?.derive("what is told again")))
    }

    fn make_private(&self, name: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(|| format!("{} cannot be made", path.display()))
    }

    /// The token that opens the admin API, made on first use.
    pub(super) fn admin_token(&self, random: Random) -> anyhow::Result<zeroize::Zeroizing<String>> {
        let path = self.0.join("admin.token");
        match read_private(&path)? {
            Some(token) => {
                let token = std::str::from_utf8(&token).with_context(|| format!("{} is not text", path.display()))?;
                Ok(zeroize::Zeroizing::new(token.trim().to_owned()))
            }
            None => {
                let token = Bearer::from_random(random.bytes());
                write_private(&path, token.reveal().as_bytes())?;
                Ok(zeroize::Zeroizing::new(token.reveal().to_owned()))
            }
        }
    }
}
