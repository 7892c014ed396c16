//! The truth. Few coarse verbs, each ONE transaction.
//!
//! [`Store`] is written for two backends: [`sqlite`], and PostgreSQL when one machine is not enough. A verb
//! that changes a state compares the old one in the same statement; what it answers is what was committed, and
//! it answers only after the commit is durable.

mod error;
mod events;
mod grants;
mod jobs;
mod numbers;
mod plugins;
mod registry;
mod requests;
pub mod sqlite;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UnverifiedBearer, UserId};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::protocol::tokens::NewGrant;
use crate::protocol::transaction::Request;
use crate::protocol::user::{Device, User};
pub use error::StoreError;
pub use events::{EVENTS_KEPT, EventKind, RequestEvent, Unheard};
pub use grants::{Grant, PushBody, Refresh, RefreshGrant, Refreshed};
pub use jobs::{Heard, Job, JobKind, Lane, Next, Notified, NotifyResult, Parties, Shown, Telling};
pub use numbers::Numbers;
pub use plugins::{Activation, ActivePlugin, Condition, KeptValue, NewValue, Quota, ServedVersion, SetAside, Written};
pub use registry::{Admission, AuditEntry, Invitation, NewDevice, Updated};
pub use requests::{Card, Decided, DecisionBy, Listed, NewRequest, Spent, Start};

/// What a verb answers, some time after its commit.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Everything that is remembered. Each verb is one transaction.
pub trait Store: Send + Sync {
    /// Whether the database takes writes in a time that clients would wait.
    fn ping(&self) -> Answer<'_, ()>;
    /// How the store is doing.
    fn numbers(&self) -> Numbers;

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
    /// Adds a client that registers itself; `false` when what let it does so no more.
    fn register_client(&self, client: Client, admission: Admission, audit: AuditEntry) -> Answer<'_, bool>;
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
    /// `approved → denied`: no tokens are given for it. What decided so stands in the history where a device would. `false` when
    /// it is not approved any more.
    fn withhold(&self, transaction: &TransactionId, decided_on: &str, now: Timestamp) -> Answer<'_, bool>;
    /// What is still to be sent in push mode.
    fn push_body(&self, transaction: &TransactionId) -> Answer<'_, Option<PushBody>>;
    /// Ends a job that tells a client.
    fn finish_telling(&self, job: &Job, heard: Heard) -> Answer<'_, ()>;
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
    /// Makes a version the one that serves. One that observes is told of what happens from here on; one that came back
    /// within [`EVENTS_KEPT`], also of what it missed.
    fn activate(&self, activation: Activation) -> Answer<'_, ()>;
    /// Takes a plugin out of service.
    fn deactivate(&self, name: &PluginName, now: Timestamp) -> Answer<'_, ()>;
    /// What served under this name, newest first: the last ten versions, each with the artefact it was.
    fn plugin_history(&self, name: &PluginName) -> Answer<'_, Vec<ServedVersion>>;

    /// Changes whenever something happened that observers are to be told of. It only says "look again".
    fn events(&self) -> watch::Receiver<u64>;
    /// What this observer has not heard of, the first of it.
    fn unheard(&self, observer: &PluginName, most: u32) -> Answer<'_, Unheard>;
    /// This observer has heard of everything up to this event.
    fn heard(&self, observer: &PluginName, event: i64) -> Answer<'_, ()>;

    /// What was allowed by command.
    fn permissions(&self) -> Answer<'_, Vec<(PluginName, Permissions)>>;
    /// Sets what is allowed by command.
    fn allow(&self, name: &PluginName, permissions: Permissions, audit: AuditEntry) -> Answer<'_, ()>;
    /// What a plugin keeps under this key, unless it has expired at `now`.
    fn plugin_value(&self, plugin: &PluginName, key: &str, now: Timestamp) -> Answer<'_, Option<KeptValue>>;
    /// Writes a value of a plugin's, if its condition holds and it fits into the quota.
    fn put_plugin_value(&self, new: NewValue, quota: Quota, now: Timestamp) -> Answer<'_, Written>;
    /// Deletes a value of a plugin's if the condition holds; `false` when it does not, or there was none.
    fn remove_plugin_value(&self, plugin: &PluginName, key: &str, when: Condition, now: Timestamp) -> Answer<'_, bool>;
    /// Keys of a plugin's values that begin with `prefix` and come after `after`, in the order of their bytes.
    fn plugin_keys(&self, plugin: &PluginName, prefix: &str, after: Option<&str>, most: u32, now: Timestamp) -> Answer<'_, Vec<String>>;
    /// Writes a line into the audit log.
    fn audit(&self, entry: AuditEntry) -> Answer<'_, ()>;
    /// The latest lines of the audit log, newest first.
    fn audit_log(&self, most: u32) -> Answer<'_, Vec<AuditEntry>>;
}
