//! The SQLite backend: one file, one writer thread, many readers.
//!
//! [`writer`] commits many waiting writes with one fsync; [`checkpoint`] moves them from the log into the file
//! on a thread of its own. Job leases live in memory: there is one process, and after a restart every job is free.

mod checkpoint;
mod connection;
mod devices;
mod events;
mod forget;
mod grants;
mod jobs;
mod known;
mod live;
mod migrations;
mod plugin_values;
mod plugins;
mod registration;
mod registry;
mod requests;
mod rows;
mod schedule;
mod verbs;
mod versions;
mod waiting;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::{Answer, StoreError};
use connection::{Readers, connect, make_or_look};
use events::Events;
use known::Known;
use live::Live;
use migrations::migrate;
use schedule::Schedule;
use waiting::Waiting;
use writer::Commits;

/// A [`super::Store`] in one SQLite file.
pub struct SqliteStore {
    writer: writer::Writer,
    readers: Readers,
    memory: Arc<Memory>,
    _checkpoints: checkpoint::Checkpoints,
}

impl SqliteStore {
    /// Opens the database, making it and bringing its tables up to date.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do about it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let unusable = || {
            format!("{} cannot be opened as a database.\n  do: restore it from a backup, or move it away to start empty", path.display())
        };
        let damaged = !make_or_look(path).with_context(unusable)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|connection| {
                // The first read of the file: here a damaged one shows.
                connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
                Ok(connection)
            })
            .with_context(unusable)?;
        if damaged {
            // The log has a newer first page, so that nothing of the old one is missed. Whatever overwrote that one may
            // not have stopped there.
            let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).with_context(unusable)?;
            anyhow::ensure!(found == "ok", "{}: {found}.\n  do: restore it from a backup", path.display());
            tracing::warn!("{}: its beginning was overwritten; the log beside it had a copy, and the rest was checked", path.display());
        }
        migrate(&mut connection).with_context(|| format!("{}: the tables cannot be brought up to date", path.display()))?;
        // Full durability: no answer leaves before its log record is on the disk. Checkpoints are not the writer's work.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        let schedule = jobs::all(&connection).with_context(|| format!("{}: the jobs cannot be read", path.display()))?;
        let memory = Arc::new(Memory { schedule: Mutex::new(schedule), events: Events::look(&connection)?, ..Memory::default() });
        let checkpoints = checkpoint::Checkpoints::start(path)?;
        Ok(Self {
            writer: writer::Writer::start(connection, checkpoints.wake(), Arc::clone(&memory))?,
            readers: Readers::new(path),
            memory,
            _checkpoints: checkpoints,
        })
    }

    /// Runs `work` inside a savepoint of the next group commit.
    fn write<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static) -> Answer<'_, T> {
        self.writer.submit(work, |_| {})
    }

    /// The same for work that changes what is remembered: `then` brings that up to date, once it was committed.
    fn write_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&Memory, &T) + Send + 'static,
    ) -> Answer<'_, T> {
        let memory = Arc::clone(&self.memory);
        self.writer.submit(work, move |result| {
            if let Ok(written) = result {
                then(&memory, written);
            }
        })
    }

    /// The same for work that changes clients, users or devices.
    fn write_registry<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static) -> Answer<'_, T> {
        self.write_then(work, |memory, _| memory.known.forget())
    }

    /// Runs a short read at once, on this thread: a look-up by key takes some ten microseconds, less than a
    /// change of threads.
    fn read<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Answer<'_, T> {
        let result = self.readers.with(work);
        Box::pin(std::future::ready(result))
    }

    /// Runs a read that may be long on a thread that may block.
    fn read_long<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static) -> Answer<'_, T> {
        let readers = self.readers.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || readers.with(work)).await.map_err(|error| StoreError::Backend(error.to_string()))?
        })
    }
}

/// What need not be read again. It says what the tables say, because there is one process, and what that commits is
/// entered here on the writer's thread before anybody is told of it.
#[derive(Default)]
struct Memory {
    /// Jobs, and who works on them.
    schedule: Mutex<Schedule>,
    /// Clients, users and devices.
    known: Known,
    /// What open device pages show.
    waiting: Waiting,
    /// Requests that clients poll for.
    live: Live,
    /// Whether anybody wants to hear what happens.
    events: Events,
    /// How often was committed.
    commits: Commits,
}

impl Memory {
    fn schedule(&self) -> std::sync::MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These jobs are due now.
    fn due(&self, jobs: &[i64], now: Timestamp) {
        let mut schedule = self.schedule();
        for job in jobs {
            schedule.reschedule(*job, rows::millis(now));
        }
    }
}
