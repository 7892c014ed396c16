//! The SQLite backend: one file, one writer thread, many readers.
//!
//! [`writer`] commits many waiting writes with one fsync; [`checkpoint`] moves them from the log into the file
//! on a thread of its own. Job leases live in memory: there is one process, and after a restart every job is free.

mod checkpoint;
mod devices;
mod forget;
mod grants;
mod jobs;
mod known;
mod live;
mod plugins;
mod registration;
mod registry;
mod requests;
mod rows;
mod schedule;
mod waiting;
mod writer;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{
    ActivePlugin, Answer, AuditEntry, Card, Decided, DecisionBy, Grant, Invitation, Job, Lane, Listed, NewDevice, NewRequest, Next,
    NotifyResult, PushBody, Refresh, RefreshGrant, Refreshed, Spent, Start, Store, StoreError, Updated,
};
use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UnverifiedBearer, UserId};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::protocol::tokens::NewGrant;
use crate::protocol::transaction::Request;
use crate::protocol::user::{Device, User};
use known::Known;
use live::Live;
use schedule::Schedule;
use waiting::Waiting;

/// How long a write may take before the database counts as broken.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many prepared statements a connection keeps: all of ours.
const STATEMENTS_KEPT: usize = 128;
/// Pages that a connection keeps, in KiB.
const CACHE_KIB: u32 = 8 << 10;
/// Readers kept open while nobody reads.
const READERS_KEPT: usize = 8;

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
        let checkpoints = checkpoint::Checkpoints::start(path)?;
        Ok(Self {
            writer: writer::Writer::start(connection, checkpoints.wake())?,
            readers: Readers { path: path.into(), idle: Arc::default() },
            memory: Arc::new(Memory { schedule: Mutex::new(schedule), ..Memory::default() }),
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

/// The verbs, each where its table is.
impl Store for SqliteStore {
    fn ping(&self) -> Answer<'_, ()> {
        // Behind all writes that wait: what they wait for shows here too.
        let asked = self.write(|connection| Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?));
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(StoreError::Backend("writes take too long".to_owned())))
        })
    }
    fn client(&self, id: &ClientId) -> Answer<'_, Option<Client>> {
        self.find_client(id)
    }
    fn clients(&self) -> Answer<'_, Vec<Client>> {
        self.all_clients()
    }
    fn add_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()> {
        self.insert_client(client, audit)
    }
    fn remove_demo_clients(&self, audit: AuditEntry) -> Answer<'_, ()> {
        self.delete_demo_clients(audit)
    }
    fn put_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()> {
        self.replace_client(client, audit)
    }
    fn remove_client(&self, id: &ClientId, audit: AuditEntry) -> Answer<'_, Option<Vec<Request>>> {
        self.delete_client(id, audit)
    }
    fn invite(&self, invitation: Invitation, audit: AuditEntry) -> Answer<'_, ()> {
        self.insert_invitation(invitation, audit)
    }
    fn is_invited(&self, token: &Digest, now: Timestamp) -> Answer<'_, bool> {
        self.find_invitation(token, now)
    }
    fn register_client(&self, client: Client, invitation: Option<Digest>, audit: AuditEntry) -> Answer<'_, bool> {
        self.insert_registered(client, invitation, audit)
    }
    fn update_registered(&self, was: Client, client: Client, audit: AuditEntry) -> Answer<'_, Updated> {
        self.swap_registered(was, client, audit)
    }
    fn user(&self, id: &UserId) -> Answer<'_, Option<User>> {
        self.find_user(id)
    }
    fn user_by_hint(&self, normal_hint: &str) -> Answer<'_, Option<User>> {
        self.find_user_by_hint(normal_hint)
    }
    fn users(&self) -> Answer<'_, Vec<User>> {
        self.all_users()
    }
    fn add_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()> {
        self.insert_user(user, audit)
    }
    fn put_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()> {
        self.replace_user(user, audit)
    }
    fn user_code(&self, id: &UserId) -> Answer<'_, Option<String>> {
        self.find_user_code(id)
    }
    fn set_user_code(&self, id: &UserId, hash: Option<String>, audit: AuditEntry) -> Answer<'_, bool> {
        self.replace_user_code(id, hash, audit)
    }
    fn remove_user(&self, id: &UserId, audit: AuditEntry) -> Answer<'_, bool> {
        self.delete_user(id, audit)
    }
    fn devices(&self, user: &UserId) -> Answer<'_, Vec<Device>> {
        self.devices_of(user)
    }
    fn add_device(&self, device: Device, audit: AuditEntry) -> Answer<'_, ()> {
        self.insert_device(device, audit)
    }
    fn remove_device(&self, user: &UserId, device: &DeviceId) -> Answer<'_, bool> {
        self.delete_device(user, device)
    }
    fn device_by_session(&self, session: &Digest) -> Answer<'_, Option<(Device, User)>> {
        self.find_device_by_session(session)
    }
    fn put_enrolment(&self, token: Digest, user: &UserId, expires_at: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.insert_enrolment(token, user, expires_at, audit)
    }
    fn enrolment(&self, token: &Digest, now: Timestamp) -> Answer<'_, Option<User>> {
        self.find_enrolment(token, now)
    }
    fn enrol(&self, token: &Digest, device: NewDevice, now: Timestamp) -> Answer<'_, Option<User>> {
        self.use_enrolment(token, device, now)
    }
    fn start(&self, new: NewRequest) -> Answer<'_, Start> {
        self.insert_request(new)
    }
    fn request_by_auth_req_id(&self, auth_req_id: &UnverifiedBearer) -> Answer<'_, Option<Request>> {
        self.find_request_by_auth_req_id(auth_req_id)
    }
    fn decide(&self, decision: DecisionBy, now: Timestamp) -> Answer<'_, Decided> {
        self.swap_decision(decision, now)
    }
    fn give_up(&self, transaction: &TransactionId, now: Timestamp) -> Answer<'_, bool> {
        self.swap_given_up(transaction, now)
    }
    fn report(&self, transaction: &TransactionId, user: &UserId, audit: AuditEntry) -> Answer<'_, bool> {
        self.swap_reported(transaction, user, audit)
    }
    fn redeem(&self, transaction: &TransactionId, grant: NewGrant, push: Option<PushBody>, now: Timestamp) -> Answer<'_, bool> {
        self.swap_redeemed(transaction, grant, push, now)
    }
    fn push_body(&self, transaction: &TransactionId) -> Answer<'_, Option<PushBody>> {
        self.find_push_body(transaction)
    }
    fn finish_push(&self, job: &Job, arrived: bool) -> Answer<'_, ()> {
        self.complete_push(job, arrived)
    }
    fn grant(&self, transaction: &TransactionId, access_token: &Digest, now: Timestamp) -> Answer<'_, Option<Grant>> {
        self.find_grant(transaction, access_token, now)
    }
    fn refresh_grant(&self, transaction: &TransactionId, refresh_token: &Digest, now: Timestamp) -> Answer<'_, Option<RefreshGrant>> {
        self.find_refresh_grant(transaction, refresh_token, now)
    }
    fn refresh(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, Refreshed> {
        self.swap_refreshed(refresh, now)
    }
    fn revoke_access_token(&self, transaction: &TransactionId, access_token: &Digest) -> Answer<'_, bool> {
        self.delete_access_token(transaction, access_token)
    }
    fn revoke_reused(&self, transaction: &TransactionId, redeemed_before: Timestamp) -> Answer<'_, bool> {
        self.delete_reused(transaction, redeemed_before)
    }
    fn revoke_grant(&self, transaction: &TransactionId) -> Answer<'_, ()> {
        self.delete_grant(transaction)
    }
    fn cards(&self, user: &UserId, now: Timestamp, since: Timestamp) -> Answer<'_, Vec<Card>> {
        self.cards_of(user, now, since)
    }
    fn waiting(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<TransactionId>> {
        self.waiting_of(user, now)
    }
    fn pending_of(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<ClientId>> {
        self.clients_pending(user, now)
    }
    fn card(&self, user: &UserId, transaction: &TransactionId) -> Answer<'_, Option<Card>> {
        self.find_card(user, transaction)
    }
    fn show_all(&self, user: &UserId, now: Timestamp) -> Answer<'_, ()> {
        self.show_all_of(user, now)
    }
    fn history(&self, user: &UserId, most: u32) -> Answer<'_, Vec<Card>> {
        self.history_of(user, most)
    }
    fn requests(&self, most: u32) -> Answer<'_, Vec<Listed>> {
        self.list_requests(most)
    }
    fn request(&self, transaction: &TransactionId) -> Answer<'_, Option<Listed>> {
        self.find_request(transaction)
    }
    fn spend(&self, spent: Spent) -> Answer<'_, bool> {
        self.mark_spent(spent)
    }
    fn reserve_jobs(&self, lane: Lane, now: Timestamp, most: usize) -> Answer<'_, Vec<Job>> {
        self.lease_jobs(lane, now, most)
    }
    fn hasten_notifications(&self, now: Timestamp) {
        self.memory.schedule().hasten_notifications(now);
    }
    fn finish_notify(&self, job: &Job, result: NotifyResult) -> Answer<'_, ()> {
        self.complete_notify(job, result)
    }
    fn finish_job(&self, job: &Job, next: Next) -> Answer<'_, ()> {
        self.complete_job(job, next)
    }
    fn release(&self, job: &Job, at: Timestamp) {
        self.memory.schedule().release(job.id, at);
    }
    fn forget(&self, ended_before: Timestamp, now: Timestamp) -> Answer<'_, u64> {
        self.delete_ended(ended_before, now)
    }
    fn artefact(&self, digest: &ArtefactDigest) -> Answer<'_, Option<Vec<u8>>> {
        self.find_artefact(digest)
    }
    fn active_plugins(&self) -> Answer<'_, Vec<ActivePlugin>> {
        self.list_active_plugins()
    }
    fn activate(&self, plugin: ActivePlugin, bytes: Arc<[u8]>) -> Answer<'_, ()> {
        self.set_active(plugin, bytes)
    }
    fn deactivate(&self, name: &PluginName) -> Answer<'_, ()> {
        self.clear_active(name)
    }
    fn permissions(&self) -> Answer<'_, Vec<(PluginName, Permissions)>> {
        self.list_permissions()
    }
    fn allow(&self, name: &PluginName, permissions: Permissions, audit: AuditEntry) -> Answer<'_, ()> {
        self.set_permissions(name, permissions, audit)
    }
    fn audit(&self, entry: AuditEntry) -> Answer<'_, ()> {
        self.write(move |connection| registry::append_audit(connection, &entry))
    }
    fn audit_log(&self, most: u32) -> Answer<'_, Vec<AuditEntry>> {
        self.list_audit(most)
    }
}

/// Connections that read. One is opened when all are busy and dropped when enough are idle.
#[derive(Clone)]
struct Readers {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
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

/// Makes the file for this user alone, or says whether what is there begins as a database does.
fn make_or_look(path: &Path) -> std::io::Result<bool> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mut begins = Vec::new();
    file.take(16).read_to_end(&mut begins)?;
    Ok(begins.is_empty() || begins == b"SQLite format 3\0")
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A plan that could depend on what is bound would be made again at every execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!("PRAGMA foreign_keys = ON; PRAGMA cache_size = -{CACHE_KIB};"))?;
    Ok(connection)
}

/// The migrations, in order; `user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_first_light.sql"),
    include_str!("../../../migrations/sqlite/0002_whole_protocol.sql"),
    include_str!("../../../migrations/sqlite/0003_registration.sql"),
];

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let applied: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let applied = applied as usize;
    anyhow::ensure!(
        applied <= MIGRATIONS.len(),
        "it was written by a newer ciba-host (schema {applied}, this one knows {}).\n  do: run that version again",
        MIGRATIONS.len()
    );
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", u32::try_from(number + 1)?)?;
        transaction.commit()?;
    }
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Backend(error.to_string())
    }
}
