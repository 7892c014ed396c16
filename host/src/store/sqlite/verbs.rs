//! The verbs of the store, each where its table is.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{SqliteStore, registry};
use crate::protocol::client::Client;
use crate::protocol::identifier::{ClientId, DeviceId, Digest, TransactionId, UnverifiedBearer, UserId};
use crate::protocol::plugin::{ArtefactDigest, Permissions, PluginName};
use crate::protocol::tokens::NewGrant;
use crate::protocol::transaction::Request;
use crate::protocol::user::{Device, User};
use crate::store::{
    Activation, ActivePlugin, Admission, Answer, AuditEntry, Card, Condition, Decided, DecisionBy, Grant, Heard, Invitation, Job,
    KeptValue, Lane, Listed, NewDevice, NewRequest, NewValue, Next, NotifyResult, Numbers, PushBody, Quota, Refresh, RefreshGrant,
    Refreshed, ServedVersion, Spent, Start, Store, StoreError, Unheard, Updated, Written,
};

/// How long a write may take before the database counts as broken.
const PATIENCE: Duration = Duration::from_secs(2);

impl Store for SqliteStore {
    fn ping(&self) -> Answer<'_, ()> {
        // Behind all writes that wait: what they wait for shows here too.
        let asked = self.write(|connection| Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?));
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(StoreError::Backend("writes take too long".to_owned())))
        })
    }
    fn numbers(&self) -> Numbers {
        self.memory.commits.numbers(self.memory.schedule().count())
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
    fn register_client(&self, client: Client, admission: Admission, audit: AuditEntry) -> Answer<'_, bool> {
        self.insert_registered(client, admission, audit)
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
    fn withhold(&self, transaction: &TransactionId, decided_on: &str, now: Timestamp) -> Answer<'_, bool> {
        self.swap_withheld(transaction, decided_on, now)
    }
    fn push_body(&self, transaction: &TransactionId) -> Answer<'_, Option<PushBody>> {
        self.find_push_body(transaction)
    }
    fn finish_telling(&self, job: &Job, heard: Heard) -> Answer<'_, ()> {
        self.complete_telling(job, heard)
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
    fn activate(&self, activation: Activation) -> Answer<'_, ()> {
        self.set_active(activation)
    }
    fn deactivate(&self, name: &PluginName, now: Timestamp) -> Answer<'_, ()> {
        self.clear_active(name, now)
    }
    fn plugin_history(&self, name: &PluginName) -> Answer<'_, Vec<ServedVersion>> {
        self.list_versions(name)
    }
    fn events(&self) -> watch::Receiver<u64> {
        self.watch_events()
    }
    fn unheard(&self, observer: &PluginName, most: u32) -> Answer<'_, Unheard> {
        self.find_unheard(observer, most)
    }
    fn heard(&self, observer: &PluginName, event: i64) -> Answer<'_, ()> {
        self.set_heard(observer, event)
    }
    fn permissions(&self) -> Answer<'_, Vec<(PluginName, Permissions)>> {
        self.list_permissions()
    }
    fn allow(&self, name: &PluginName, permissions: Permissions, audit: AuditEntry) -> Answer<'_, ()> {
        self.set_permissions(name, permissions, audit)
    }
    fn plugin_value(&self, plugin: &PluginName, key: &str, now: Timestamp) -> Answer<'_, Option<KeptValue>> {
        self.find_plugin_value(plugin, key, now)
    }
    fn put_plugin_value(&self, new: NewValue, quota: Quota, now: Timestamp) -> Answer<'_, Written> {
        self.set_plugin_value(new, quota, now)
    }
    fn remove_plugin_value(&self, plugin: &PluginName, key: &str, when: Condition, now: Timestamp) -> Answer<'_, bool> {
        self.delete_plugin_value(plugin, key, when, now)
    }
    fn plugin_keys(&self, plugin: &PluginName, prefix: &str, after: Option<&str>, most: u32, now: Timestamp) -> Answer<'_, Vec<String>> {
        self.list_plugin_keys(plugin, prefix, after, most, now)
    }
    fn audit(&self, entry: AuditEntry) -> Answer<'_, ()> {
        self.write(move |connection| registry::append_audit(connection, &entry))
    }
    fn audit_log(&self, most: u32) -> Answer<'_, Vec<AuditEntry>> {
        self.list_audit(most)
    }
}
