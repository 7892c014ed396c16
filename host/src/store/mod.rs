//! The truth. Few coarse verbs, each ONE transaction.
//!
//! [`Store`] is written for two backends: [`sqlite`], and PostgreSQL when one machine is not enough. A verb
//! that changes a state compares the old one in the same statement; what it answers is what was committed, and
//! it answers only after the commit is durable.

pub mod sqlite;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::client::{Client, DeliveryMode};
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UnverifiedBearer, UserId};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::protocol::tokens::{NewAccessToken, NewGrant};
use crate::protocol::transaction::{Confirmation, Decision, Evidence, Request};
use crate::protocol::user::{Device, User};

/// What a verb answers, some time after its commit.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue of waiting writes is full. Nothing was written; trying again later helps.
    #[error("the store is overloaded: more than {waiting} writes are waiting")]
    Overloaded {
        /// The length of the queue.
        waiting: usize,
    },
    /// A row says something that cannot be. The operator has to look.
    #[error("table {table}, row {row}: {what}")]
    Impossible {
        /// Which table.
        table: &'static str,
        /// Which row.
        row: String,
        /// What cannot be.
        what: String,
    },
    /// Something with this name or address exists.
    #[error("{0} exists already")]
    Exists(String),
    /// The database failed: disk full, file damaged, connection lost.
    #[error("database: {0}")]
    Backend(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// What must still happen outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Tell the user's devices.
    Notify,
    /// Take the notifications back.
    Withdraw,
    /// Tell the client that there is an answer (CIBA Core 10.2).
    Ping,
    /// Send the client its tokens, or that there are none (CIBA Core 10.3).
    Push,
}

impl JobKind {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Notify, Self::Withdraw, Self::Ping, Self::Push];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Withdraw => "withdraw",
            Self::Ping => "ping",
            Self::Push => "push",
        }
    }

    /// Whom it waits for.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Notify | Self::Withdraw => Lane::Plugins,
            Self::Ping | Self::Push => Lane::Clients,
        }
    }

    /// The one that tells a client of this delivery mode how its request ended.
    pub const fn of_outcome(delivery: DeliveryMode) -> Option<Self> {
        match delivery {
            DeliveryMode::Poll => None,
            DeliveryMode::Ping => Some(Self::Ping),
            DeliveryMode::Push => Some(Self::Push),
        }
    }
}

/// Whom a job waits for: slow ones of one kind never hold up those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Plugins, which reach people.
    Plugins,
    /// The endpoints of clients.
    Clients,
}

/// A job that is due, with the request it is about.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its row.
    pub id: i64,
    /// What is to be done.
    pub kind: JobKind,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// The request.
    pub request: Request,
    /// How devices were reached so far.
    pub notified: Vec<Notified>,
    /// Who asks whom.
    pub parties: Parties,
    /// For ping and push: what the client is to be told with, encrypted (see [`NewRequest::to_notify`]).
    pub to_notify: Option<Vec<u8>>,
}

/// Who asks whom, as plugins are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The client's registered name, while it is registered.
    pub client_name: Option<String>,
    /// The user's name, while there is such a user.
    pub user_name: Option<String>,
    /// The user's language.
    pub locale: Option<String>,
}

/// How one device was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The device.
    pub device: DeviceId,
    /// The plugin that did it.
    pub plugin: PluginName,
    /// That plugin's version.
    pub version: String,
    /// The channel's reference, for `withdraw`.
    pub reference: String,
    /// How long the hook took, in microseconds.
    pub micros: u64,
}

/// A request to be stored.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Everything known of it.
    pub request: Request,
    /// Digest of `auth_req_id`; `None` for an outside provider's request.
    pub auth_req_id: Option<Digest>,
    /// To whom a notify job that is written with it speaks; `None` for a request that nobody is told of.
    pub notify: Option<Parties>,
    /// For ping and push: `auth_req_id` and the notification token, encrypted. With it a job is written that tells the
    /// client when the request ends, however it ends.
    pub to_notify: Option<Vec<u8>>,
    /// What this request uses up: it is stored only if none of it was used before.
    pub spends: Vec<Spent>,
    /// Whether it takes the place of what the same client asked the same person before and still waits.
    pub supersedes: bool,
}

impl NewRequest {
    /// A request that is redeemed by `auth_req_id`, and announced to whom `notify` names.
    pub fn polled(request: Request, auth_req_id: Digest, notify: Parties) -> Self {
        let auth_req_id = Some(auth_req_id);
        Self { request, auth_req_id, notify: Some(notify), to_notify: None, spends: Vec::new(), supersedes: false }
    }
}

/// Something that works once.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Its digest.
    pub what: Digest,
    /// Until when it has to be remembered.
    pub until: Timestamp,
}

/// Whether a request was stored.
#[derive(Clone, Debug)]
pub enum Start {
    /// It was, and these are superseded by it.
    Stored(Vec<Request>),
    /// It was not: what it would use up was used before.
    Spent,
}

/// An access token that works, and what was granted with it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The request it came from; its scope is what this token covers.
    pub request: Request,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it is bound to.
    pub confirmation: Option<Confirmation>,
    /// The resources it is for; empty means the host itself.
    pub audience: Vec<String>,
}

/// A refresh token that is not reused.
#[derive(Clone, Debug)]
pub struct RefreshGrant {
    /// The request it came from.
    pub request: Request,
    /// When the family ends.
    pub expires_at: Timestamp,
    /// Whether another token has taken its place, so that it works no more: whoever uses it is taken for a thief.
    pub passed: bool,
}

/// What a refresh writes.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The request it came from.
    pub transaction: TransactionId,
    /// Digest of the refresh token that was presented.
    pub presented: Digest,
    /// The new access token.
    pub access_token: NewAccessToken,
    /// The next refresh token, where it is rotated.
    pub next: Option<Digest>,
}

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The new token is stored.
    Done,
    /// The token was replaced, and what replaced it was used, or another that was born beside it: it is stolen, or was.
    /// Everything that this approval gave is revoked.
    Stolen,
    /// There is no such token.
    Unknown,
}

/// How a client's change of itself ended.
#[derive(Clone, Debug)]
pub enum Updated {
    /// It is stored.
    Done,
    /// Nothing is: somebody else has changed it meanwhile, and it is this now.
    Meanwhile(Box<Client>),
    /// There is none with this registration access token any more.
    Gone,
}

/// What a finished notify job leaves behind.
#[derive(Clone, Debug, Default)]
pub struct NotifyResult {
    /// Every device reached, earlier tries included.
    pub notified: Vec<Notified>,
    /// The note to show, when a plugin put the request on the device page.
    pub shown: Option<Shown>,
    /// Addresses that no longer exist.
    pub gone: Vec<DeviceId>,
    /// What becomes of the job.
    pub next: Next,
    /// Take the notifications back when the request ends: a plugin that was called can.
    pub withdraw: bool,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// It has ended.
    #[default]
    End,
    /// It goes on: this is only what has happened so far.
    GoOn,
    /// It is tried again at this time, or earlier when what it waits for may be there.
    Wait(Timestamp),
    /// It is tried again at this time and not before: whoever is asked said so.
    NotBefore(Timestamp),
}

/// How a request appears on the device page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Since when.
    pub at: Timestamp,
    /// A plugin's note.
    pub note: Option<String>,
}

/// A request as the device page shows it.
#[derive(Clone, Debug)]
pub struct Card {
    /// The request.
    pub request: Request,
    /// The client's registered name; `None` when it is no longer registered.
    pub client_name: Option<String>,
    /// The least `acr` that the client takes, where it says so.
    pub acr_minimum: Option<String>,
    /// A plugin's note.
    pub note: Option<String>,
    /// Whether the person sees it: a plugin announced it, or they checked.
    pub shown: bool,
    /// The name of the device on which it was decided, or of what stood in for one.
    pub decided_on: Option<String>,
    /// That device; `None` when no device of the person's decided.
    pub decided_by: Option<DeviceId>,
    /// Whether the person said afterwards that it was not them.
    pub reported: bool,
}

/// A request as the operator sees it: no hint, no binding message.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The request.
    pub request: Request,
    /// The user's username, while the user exists.
    pub username: Option<String>,
    /// How devices were reached.
    pub notified: Vec<Notified>,
}

/// An initial access token (RFC 7591 1.2).
#[derive(Clone, Copy, Debug)]
pub struct Invitation {
    /// Its digest.
    pub token: Digest,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// For how many registrations.
    pub uses: u32,
}

/// How a decision ended.
#[derive(Clone, Debug)]
pub enum Decided {
    /// It counts, and the request now stands like this.
    Now(Box<Card>),
    /// It does not: the request stands as it says, or there is none of this user.
    Not(Option<Box<Card>>),
}

/// A plugin version that serves.
#[derive(Clone, Debug)]
pub struct ActivePlugin {
    /// The plugin.
    pub name: PluginName,
    /// Its component.
    pub artefact: ArtefactDigest,
    /// The text of `name.toml` it was accepted with; empty when there is none.
    pub file: String,
    /// Since when.
    pub since: Timestamp,
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `operator` for whoever holds the admin token.
    pub who: String,
    /// What they did.
    pub what: String,
    /// To what.
    pub about: String,
}

/// Everything that is remembered. Each verb is one transaction.
pub trait Store: Send + Sync {
    /// Whether the database takes writes in a time that clients would wait.
    fn ping(&self) -> Answer<'_, ()>;

    /// The client with this identifier.
    fn client(&self, id: &ClientId) -> Answer<'_, Option<Client>>;
    /// All clients, by identifier.
    fn clients(&self) -> Answer<'_, Vec<Client>>;
    /// Adds a client.
    fn add_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()>;
    /// Adds or replaces a client.
    fn put_client(&self, client: Client, audit: AuditEntry) -> Answer<'_, ()>;
    /// Removes the clients that came with the demo.
    fn remove_demo_clients(&self, audit: AuditEntry) -> Answer<'_, ()>;
    /// Removes a client, takes back what it was given, and ends its requests that could still give something: those. `None`
    /// when there was no such client.
    fn remove_client(&self, id: &ClientId, audit: AuditEntry) -> Answer<'_, Option<Vec<Request>>>;
    /// Stores an initial access token.
    fn invite(&self, invitation: Invitation, audit: AuditEntry) -> Answer<'_, ()>;
    /// Whether a client may register with this token at `now`.
    fn is_invited(&self, token: &Digest, now: Timestamp) -> Answer<'_, bool>;
    /// Adds a client that registers itself, and counts one use of the token that let it; `false` when that works no more.
    fn register_client(&self, client: Client, invitation: Option<Digest>, audit: AuditEntry) -> Answer<'_, bool>;
    /// Replaces a client that manages itself, if it is still as it `was` when the change was made of it.
    fn update_registered(&self, was: Client, client: Client, audit: AuditEntry) -> Answer<'_, Updated>;

    /// The user with this identifier.
    fn user(&self, id: &UserId) -> Answer<'_, Option<User>>;
    /// The user whose username, e-mail address or phone number is this normal form of a hint.
    fn user_by_hint(&self, normal_hint: &str) -> Answer<'_, Option<User>>;
    /// All users, by username.
    fn users(&self) -> Answer<'_, Vec<User>>;
    /// Adds a user.
    fn add_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()>;
    /// Adds or replaces a user.
    fn put_user(&self, user: User, audit: AuditEntry) -> Answer<'_, ()>;
    /// The hash of the user's code, where they have one.
    fn user_code(&self, id: &UserId) -> Answer<'_, Option<String>>;
    /// Sets or removes the user's code; `false` when there is no such user.
    fn set_user_code(&self, id: &UserId, hash: Option<String>, audit: AuditEntry) -> Answer<'_, bool>;
    /// Removes a user with their devices, and takes back what was approved for them; `false` when there was none.
    fn remove_user(&self, id: &UserId, audit: AuditEntry) -> Answer<'_, bool>;

    /// A user's devices, oldest first.
    fn devices(&self, user: &UserId) -> Answer<'_, Vec<Device>>;
    /// Adds a device that is reached by an address.
    fn add_device(&self, device: Device, audit: AuditEntry) -> Answer<'_, ()>;
    /// Removes a device of this user; `false` when there was none.
    fn remove_device(&self, user: &UserId, device: &DeviceId) -> Answer<'_, bool>;
    /// The device whose page holds this session.
    fn device_by_session(&self, session: &Digest) -> Answer<'_, Option<(Device, User)>>;
    /// Stores a one-time enrolment token.
    fn put_enrolment(&self, token: Digest, user: &UserId, expires_at: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Whom an enrolment token is for, without using it.
    fn enrolment(&self, token: &Digest, now: Timestamp) -> Answer<'_, Option<User>>;
    /// Uses an enrolment token: the device is added with its session, or nothing happens and the answer is `None`.
    fn enrol(&self, token: &Digest, device: NewDevice, now: Timestamp) -> Answer<'_, Option<User>>;

    /// Stores a request, the job that announces it, and the one that tells the client how it ended.
    fn start(&self, new: NewRequest) -> Answer<'_, Start>;
    /// The request that this `auth_req_id` was issued for: an invented one finds nothing.
    fn request_by_auth_req_id(&self, auth_req_id: &UnverifiedBearer) -> Answer<'_, Option<Request>>;
    /// `pending → approved | denied`, if it is this user's, still pending, and not expired at `now`.
    fn decide(&self, decision: DecisionBy, now: Timestamp) -> Answer<'_, Decided>;
    /// `pending → denied` by nobody: who was to be asked cannot be reached. `false` when it is not pending any more.
    fn give_up(&self, transaction: &TransactionId, now: Timestamp) -> Answer<'_, bool>;
    /// The person says that a decided request of theirs was not theirs: what it gave is taken back, and what was not
    /// fetched yet never is. `false` when there is no such request.
    fn report(&self, transaction: &TransactionId, user: &UserId, audit: AuditEntry) -> Answer<'_, bool>;
    /// `approved → redeemed` with its grant, if nobody was faster and it is not too late at `now`. In push mode with what
    /// is to be sent.
    fn redeem(&self, transaction: &TransactionId, grant: NewGrant, push: Option<PushBody>, now: Timestamp) -> Answer<'_, bool>;
    /// What is still to be sent in push mode.
    fn push_body(&self, transaction: &TransactionId) -> Answer<'_, Option<PushBody>>;
    /// Ends a push job: what it sent has arrived, or never will and is revoked.
    fn finish_push(&self, job: &Job, arrived: bool) -> Answer<'_, ()>;
    /// The access token with this digest, if it works at `now`.
    fn grant(&self, transaction: &TransactionId, access_token: &Digest, now: Timestamp) -> Answer<'_, Option<Grant>>;
    /// The refresh token with this digest, if its family lives at `now`, used before or not.
    fn refresh_grant(&self, transaction: &TransactionId, refresh_token: &Digest, now: Timestamp) -> Answer<'_, Option<RefreshGrant>>;
    /// Uses a refresh token. The one before works until its successor was used, because an answer may be lost. It may
    /// have several successors then, of which one counts: the first that is used. Whoever comes with what another has
    /// taken the place of has stolen it, or was stolen from, and everything is revoked.
    fn refresh(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, Refreshed>;
    /// Takes back one access token; `false` when there was none.
    fn revoke_access_token(&self, transaction: &TransactionId, access_token: &Digest) -> Answer<'_, bool>;
    /// Takes back everything that this request gave, if it was redeemed before this; `false` when it was not, or had
    /// nothing left.
    fn revoke_reused(&self, transaction: &TransactionId, redeemed_before: Timestamp) -> Answer<'_, bool>;
    /// Takes back everything that this request gave.
    fn revoke_grant(&self, transaction: &TransactionId) -> Answer<'_, ()>;

    /// What the user's device page shows: the requests that wait, and those that ended since `since`.
    fn cards(&self, user: &UserId, now: Timestamp, since: Timestamp) -> Answer<'_, Vec<Card>>;
    /// The requests that wait for this user on their device page, oldest first.
    fn waiting(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<TransactionId>>;
    /// Whose requests wait for this user, seen on a page or not: one entry for each of the latest.
    fn pending_of(&self, user: &UserId, now: Timestamp) -> Answer<'_, Vec<ClientId>>;
    /// One request of this user.
    fn card(&self, user: &UserId, transaction: &TransactionId) -> Answer<'_, Option<Card>>;
    /// The person checked: every waiting request of theirs is shown from now on.
    fn show_all(&self, user: &UserId, now: Timestamp) -> Answer<'_, ()>;
    /// The user's latest requests, newest first.
    fn history(&self, user: &UserId, most: u32) -> Answer<'_, Vec<Card>>;
    /// The latest requests of everybody, newest first.
    fn requests(&self, most: u32) -> Answer<'_, Vec<Listed>>;
    /// One request.
    fn request(&self, transaction: &TransactionId) -> Answer<'_, Option<Listed>>;
    /// Uses something that works once; `false` when it was used before.
    fn spend(&self, spent: Spent) -> Answer<'_, bool>;

    /// Reserves jobs of this lane that are due. A reserved job is not given out again before `release`, or a restart.
    fn reserve_jobs(&self, lane: Lane, now: Timestamp, most: usize) -> Answer<'_, Vec<Job>>;
    /// Makes every notification that was postponed due now: what it waited for may be there.
    fn hasten_notifications(&self, now: Timestamp);
    /// Ends or postpones a notify job, or goes on with it, with everything it brought about.
    fn finish_notify(&self, job: &Job, result: NotifyResult) -> Answer<'_, ()>;
    /// Ends or postpones a job.
    fn finish_job(&self, job: &Job, next: Next) -> Answer<'_, ()>;
    /// Gives a reserved job back: it is as it was, and due at this time.
    fn release(&self, job: &Job, at: Timestamp);
    /// Deletes what no one can ask for any more, in so small steps that nobody waits for one; answers how many rows. Who
    /// drops the future stops it after the step that is under way.
    fn forget(&self, ended_before: Timestamp, now: Timestamp) -> Answer<'_, u64>;

    /// The bytes of an artefact.
    fn artefact(&self, digest: &ArtefactDigest) -> Answer<'_, Option<Vec<u8>>>;
    /// The plugins that serve.
    fn active_plugins(&self) -> Answer<'_, Vec<ActivePlugin>>;
    /// Makes a version the one that serves.
    fn activate(&self, plugin: ActivePlugin, bytes: std::sync::Arc<[u8]>) -> Answer<'_, ()>;
    /// Takes a plugin out of service.
    fn deactivate(&self, name: &PluginName) -> Answer<'_, ()>;
    /// What was allowed by command.
    fn permissions(&self) -> Answer<'_, Vec<(PluginName, Permissions)>>;
    /// Sets what is allowed by command.
    fn allow(&self, name: &PluginName, permissions: Permissions, audit: AuditEntry) -> Answer<'_, ()>;
    /// Writes a line into the audit log.
    fn audit(&self, entry: AuditEntry) -> Answer<'_, ()>;
    /// The latest lines of the audit log, newest first.
    fn audit_log(&self, most: u32) -> Answer<'_, Vec<AuditEntry>>;
}

/// A device page that is being enrolled.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// Its identifier.
    pub id: DeviceId,
    /// What the person calls it.
    pub name: String,
    /// Digest of its session cookie.
    pub session: Digest,
}

/// Who decides what.
#[derive(Clone, Debug)]
pub struct DecisionBy {
    /// Which request.
    pub transaction: TransactionId,
    /// Whose it must be.
    pub user: UserId,
    /// What they say.
    pub decision: Decision,
    /// On which of their devices; `None` for an operator.
    pub device: Option<DeviceId>,
    /// What the person calls it.
    pub device_name: String,
    /// What was verified, where they approve.
    pub evidence: Option<Evidence>,
    /// Written with the decision where an operator stands in for the person.
    pub audit: Option<AuditEntry>,
}

/// What is sent to a client in push mode.
#[derive(Clone, Debug)]
pub struct PushBody {
    /// Encrypted.
    pub sealed: Vec<u8>,
    /// Until when it is tried.
    pub deadline: Timestamp,
}
