//! The shims in `shims/`, compiled when first used, and commands that run under them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A library that stands between a program and its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shim {
    /// Every sync takes long.
    SlowFsync,
    /// What was not synced is lost when the program is killed.
    LoseUnsynced,
    /// A folder's changes are not told, and its files always look the same.
    TellsNothing,
}

impl Shim {
    const fn name(self) -> &'static str {
        match self {
            Self::SlowFsync => "slow_fsync",
            Self::LoseUnsynced => "lose_unsynced",
            Self::TellsNothing => "tells_nothing",
        }
    }

    const fn sources(self) -> &'static [&'static str] {
        match self {
            Self::SlowFsync => &["slow_fsync.c"],
            Self::LoseUnsynced => &["lose_unsynced.c", "durable_image.c", "image_paths.c"],
            Self::TellsNothing => &["tells_nothing.c"],
        }
    }

    /// The library, made with `cc` beside the running program when this process first asks.
    pub fn library(self) -> Result<PathBuf> {
        static MADE: Mutex<Vec<(Shim, PathBuf)>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, library)) = made.iter().find(|(shim, _)| *shim == self) {
            return Ok(library.clone());
        }
        let library = self.compile()?;
        made.push((self, library.clone()));
        Ok(library)
    }

    fn compile(self) -> Result<PathBuf> {
        let program = std::env::current_exe()?;
        let folder = program.parent().unwrap_or(Path::new(".")).join("shims");
        std::fs::create_dir_all(&folder)?;
        let library = folder.join(format!("{}.so", self.name()));
        // The rename is atomic, so another process sees the old library or the new one, never half.
        let unfinished = folder.join(format!("{}.{}.so", self.name(), std::process::id()));
        let output = Command::new("cc")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shims"))
            .args(["-std=c11", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&unfinished)
            .args(self.sources())
            .args(["-ldl", "-lpthread"])
            .output()
            .context("a C compiler named `cc` is needed")?;
        if !output.status.success() {
            bail!("cc {}: {}", self.name(), String::from_utf8_lossy(&output.stderr));
        }
        std::fs::rename(&unfinished, &library)?;
        Ok(library)
    }
}

/// Makes each sync of the command take at least this long.
pub fn with_slow_fsync(command: &mut Command, at_least: Duration) -> Result<()> {
    command.env("LD_PRELOAD", Shim::SlowFsync.library()?).env("SLOW_FSYNC_US", at_least.as_micros().to_string());
    Ok(())
}
