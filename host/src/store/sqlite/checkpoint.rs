//! Moves committed writes from the log into the file, on a thread of its own.
//!
//! A checkpoint costs two fsyncs of a growing file, milliseconds that no waiting write should pay. Under constant
//! load the log would still grow for ever, because it can start over only at a moment when all of it has been
//! moved: when it is long, the writer moves the little that is left itself.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

/// Writes between two checkpoints.
const WRITES: usize = 8_000;
/// Log pages beyond which the writer helps: at 4 KiB each, 64 MiB.
const LOG_PAGES: i64 = 16_384;

/// How the writer tells the checkpoint thread that there is something to move.
pub(super) struct Wake {
    writes: AtomicUsize,
    long: AtomicBool,
    thread: Mutex<Option<SyncSender<()>>>,
}

impl Wake {
    /// Called by the writer after each commit, when nobody waits for it.
    pub(super) fn after_commit(&self, connection: &Connection, writes: usize) {
        if self.long.swap(false, Ordering::Relaxed)
            && let Err(error) = move_log(connection)
        {
            tracing::warn!(%error, "the log could not be moved into the database; it is tried again");
        }
        if self.writes.fetch_add(writes, Ordering::Relaxed) + writes >= WRITES {
            self.writes.store(0, Ordering::Relaxed);
            if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
                // Full means that it has been woken already.
                let _ = thread.try_send(());
            }
        }
    }
}

/// The thread, which ends with this.
pub(super) struct Checkpoints {
    wake: Arc<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> anyhow::Result<Self> {
        let connection = super::connection::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (sender, woken) = sync_channel(1);
        let wake = Arc::new(Wake { writes: AtomicUsize::new(0), long: AtomicBool::new(false), thread: Mutex::new(Some(sender)) });
        let thread = {
            let wake = Arc::clone(&wake);
            std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || run(&connection, &woken, &wake))?
        };
        Ok(Self { wake, thread: Some(thread) })
    }

    pub(super) fn wake(&self) -> Arc<Wake> {
        Arc::clone(&self.wake)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, wake: &Wake) {
    while woken.recv().is_ok() {
        match move_log(connection) {
            Ok(pages) => wake.long.store(pages > LOG_PAGES, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the log could not be moved into the database; it is tried again"),
        }
    }
}

/// Moves what can be moved without waiting for anybody; answers the log's length in pages.
fn move_log(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}
