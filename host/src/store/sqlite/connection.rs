//! Connections to the file, and those that are kept for readers.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

/// How many prepared statements a connection keeps: all of ours.
const STATEMENTS_KEPT: usize = 128;
/// Pages that a connection keeps, in KiB.
const CACHE_KIB: u32 = 8 << 10;
/// Readers kept open while nobody reads.
const READERS_KEPT: usize = 8;

/// Makes the file for this user alone, or says whether what is there begins as a database does.
pub(super) fn make_or_look(path: &Path) -> std::io::Result<bool> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut begins = Vec::new();
    file.take(16).read_to_end(&mut begins)?;
    Ok(begins.is_empty() || begins == b"SQLite format 3\0")
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A plan that could depend on what is bound would be made again at every execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!("PRAGMA foreign_keys = ON; PRAGMA cache_size = -{CACHE_KIB};"))?;
    Ok(connection)
}

/// Connections that read. One is opened when all are busy and dropped when enough are idle.
#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into(), idle: Arc::default() }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let result = work(&connection);
        let mut idle = idle();
        if idle.len() < READERS_KEPT {
            idle.push(connection);
        }
        result
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Backend(error.to_string())
    }
}
