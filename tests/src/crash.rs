//! Power cuts: a data directory from which everything disappears that was not synced when the
//! program working on it was killed. `kill -9` alone proves little, because the kernel keeps what a
//! dead program wrote; this proves what a disk would keep.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::Server;
use crate::shims::Shim;

/// A directory on a disk that forgets. `shims/durable_image.h` says what it forgets.
#[derive(Debug)]
pub struct ForgetfulDisk {
    directory: PathBuf,
    /// Beside the directory, with what is durable.
    image: PathBuf,
    library: PathBuf,
}

impl ForgetfulDisk {
    /// What the directory holds now is durable. No other program may write to it from now on.
    pub fn holding(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut image = OsString::from(directory);
        image.push(".durable");
        let library = Shim::LoseUnsynced.library()?;
        let disk = Self { directory: directory.to_owned(), image: image.into(), library };
        disk.everything_is_durable()?;
        Ok(disk)
    }

    /// Makes the command, started after this, lose what it does not sync.
    pub fn attach(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("LOSE_UNSYNCED_DIR", &self.directory).env("LOSE_UNSYNCED_IMAGE", &self.image);
    }

    /// Starts a server on this disk and waits until it is ready.
    pub fn start(&self, mut command: Command) -> Result<Server> {
        self.attach(&mut command);
        Server::start(command)
    }

    /// SIGKILL, and the power with it.
    pub fn crash(&self, server: Server) -> Result<()> {
        server.kill()?;
        self.lose_unsynced()
    }

    /// Puts what is durable in place of what the killed program saw. Empty directories are gone too.
    pub fn lose_unsynced(&self) -> Result<()> {
        fs::remove_dir_all(&self.directory).context("the directory before the crash")?;
        fs::rename(&self.image, &self.directory).context("the durable image")?;
        self.everything_is_durable()
    }

    fn everything_is_durable(&self) -> Result<()> {
        if self.image.exists() {
            fs::remove_dir_all(&self.image)?;
        }
        copy(&self.directory, &self.image).context("copying what is durable")
    }
}

impl Drop for ForgetfulDisk {
    fn drop(&mut self) {
        // Left behind, it would only occupy space.
        drop(fs::remove_dir_all(&self.image));
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() && !name.to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), target)?;
        }
    }
    // Last, so that a directory without write permission can still be filled.
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    Ok(())
}
