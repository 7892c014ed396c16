//! What whoever runs the host may do. The command line, the console and the admin API all do it here.
//!
//! Each kind of thing has a file: [`clients`], [`users`], [`plugins`] with their [`history`] and their [`shadow`]s, [`requests`].

mod clients;
mod history;
mod keys;
mod plugins;
mod reports;
mod requests;
mod shadow;
mod users;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

pub use history::VersionView;
pub use plugins::{PluginView, Said, plugin_view};
pub use reports::{LogTail, PluginReport};
pub use requests::RequestView;
pub use shadow::ShadowView;

use super::Flow;
use crate::clock::{Clock, Random};
use crate::jose::Seal;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::client::ClientKind;
use crate::protocol::identifier::{ClientId, TransactionId};
use crate::protocol::plugin::{Mode, Permissions, PluginName};
use crate::protocol::transaction::Decision;
use crate::runtime::{Change, NotChanged};
use crate::store::{AuditEntry, AuditQuery, Store, StoreError};
use clients::client_view;
use requests::{no_request, request_view};

/// Something an operator wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// How the host is doing.
    Status,
    /// Every plugin.
    PluginList,
    /// One plugin, with all that is known of it.
    PluginShow { name: PluginName },
    /// One plugin's log.
    PluginLog { name: PluginName },
    /// What one plugin's log has after so many lines; where there is nothing yet, waits for it.
    PluginLogAfter { name: PluginName, after: Option<u64> },
    /// Says of a plugin what counts before what its file says; or that the file's word counts again.
    PluginSet { name: PluginName, mode: Option<Mode>, order: Option<i32>, as_file: bool },
    /// Sets, adds to or takes from what a plugin may do.
    PluginAllow { name: PluginName, permissions: Permissions, revoke: bool },
    /// What served under a plugin's name.
    PluginHistory { name: PluginName },
    /// How the answers of a shadow compare with those that count.
    PluginShadow { name: PluginName },
    /// Makes an earlier version of a plugin serve: the one with this digest, or the one before. `since` says which one where
    /// several have that digest: the one that began to serve then.
    PluginRollback {
        name: PluginName,
        to: Option<String>,
        #[serde(default)]
        since: Option<Timestamp>,
    },
    /// Every client.
    ClientList,
    /// Registers a client; its secret is made here unless it is given.
    ClientAdd {
        id: ClientId,
        name: String,
        kind: ClientKind,
        long_poll: bool,
        secret: Option<SecretText>,
        /// Everything else, in the words of RFC 7591; then the name is in here too.
        #[serde(default)]
        metadata: Option<Map<String, Value>>,
    },
    /// Everything registered of a client, but its secret.
    ClientShow { id: ClientId },
    /// Replaces what is registered of a client.
    ClientUpdate { id: ClientId, metadata: Map<String, Value>, secret: Option<SecretText> },
    /// Makes an initial access token, with which clients register themselves.
    ClientInvite { uses: u32, hours: u32 },
    /// Removes a client.
    ClientRemove { id: ClientId },
    /// Every user.
    UserList,
    /// Adds a user.
    UserAdd { username: String, name: Option<String>, email: Option<String>, phone: Option<String>, locale: Option<String> },
    /// Removes a user.
    UserRemove { username: String },
    /// Sets the code that the user gives to clients that ask for one; one is made unless it is given. Or removes it.
    UserCode { username: String, code: Option<SecretText>, remove: bool },
    /// Adds an address by which a plugin reaches the user.
    UserDevice { username: String, channel: String, address: Option<String>, name: Option<String> },
    /// Makes a one-time link that adds a device page.
    UserEnrol { username: String },
    /// The latest requests.
    RequestList { most: u32 },
    /// One request.
    RequestShow { transaction: TransactionId },
    /// Decides for the person: for demonstrations only.
    RequestDecide { transaction: TransactionId, decision: Decision },
    /// Every signing key.
    KeyList,
    /// Replaces signing keys before their time.
    KeyRotate { alg: Option<JwsAlgorithm>, overlap_hours: Option<u32> },
    /// Takes in a signing key that was made elsewhere: PEM or a private JWK.
    KeyImport { alg: JwsAlgorithm, key: SecretText },
    /// The audit log: the newest lines, none older than `since`, and only those with `word`.
    AuditList {
        most: u32,
        #[serde(default)]
        since: Option<Timestamp>,
        #[serde(default)]
        word: Option<String>,
    },
}

/// Who holds the admin token, in the audit log.
const BY_COMMAND: &str = "operator";
/// Who signed in to the console.
const AT_THE_CONSOLE: &str = "operator (console)";

/// A secret on its way to be stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// What the operator asked cannot be done as asked.
    #[error("{0}")]
    Asked(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NotChanged> for NotDone {
    fn from(error: NotChanged) -> Self {
        match error {
            NotChanged::Asked(why) => Self::Asked(why),
            NotChanged::Store(error) => Self::Store(error),
        }
    }
}

/// Does what operators want.
#[derive(Clone)]
pub struct Operator {
    store: Arc<dyn Store>,
    clock: Clock,
    random: Random,
    /// The running host; without it, only what the store holds can be seen and changed.
    flow: Option<Arc<Flow>>,
    /// The plugin folder of a host that does not run.
    folder: Option<PathBuf>,
    /// Encrypts secrets that make MACs.
    seal: Arc<Seal>,
    started_at: Timestamp,
    /// Where the device page is, for enrolment links.
    device_page: String,
    /// What the host signs with.
    algorithms: Vec<JwsAlgorithm>,
    /// Held while permissions are read, changed and written: of two changes at once, both count.
    allowing: Arc<Mutex<()>>,
    /// Who this is, in the audit log.
    who: &'static str,
}

impl Operator {
    /// An operator of a running host.
    pub fn of(flow: Arc<Flow>) -> Self {
        let (clock, random) = (flow.clock.clone(), flow.random);
        let device_page = flow.links.device_page().to_owned();
        let seal = Arc::clone(&flow.seal);
        let algorithms = flow.keys.algorithms().to_vec();
        Self {
            store: Arc::clone(&flow.store),
            started_at: clock.now(),
            clock,
            random,
            device_page,
            algorithms,
            flow: Some(flow),
            folder: None,
            seal,
            allowing: Arc::default(),
            who: BY_COMMAND,
        }
    }

    /// An operator of a data directory whose host does not run.
    pub fn offline(
        store: Arc<dyn Store>,
        clock: Clock,
        random: Random,
        device_page: String,
        algorithms: Vec<JwsAlgorithm>,
        seal: Seal,
        folder: PathBuf,
    ) -> Self {
        let (started_at, seal) = (clock.now(), Arc::new(seal));
        let folder = Some(folder);
        Self {
            store,
            started_at,
            clock,
            random,
            device_page,
            algorithms,
            flow: None,
            folder,
            seal,
            allowing: Arc::default(),
            who: BY_COMMAND,
        }
    }

    /// The same, as who signed in to the console.
    pub fn at_the_console(&self) -> Self {
        Self { who: AT_THE_CONSOLE, ..self.clone() }
    }

    /// Since when the host runs.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Does it.
    ///
    /// # Errors
    /// Why it was not done; then nothing was.
    pub async fn execute(&self, command: Command) -> Result<Value, NotDone> {
        match command {
            Command::Status => self.status().await,
            Command::PluginList => self.plugins().await.and_then(|plugins| to_json(&plugins)),
            Command::PluginShow { name } => to_json(&self.plugin_report(&name).await?),
            Command::PluginLog { name } => to_json(&self.log_of(&name)?.lines()),
            Command::PluginLogAfter { name, after } => to_json(&self.log_after(&name, after).await?),
            Command::PluginSet { name, mode, order, as_file } => {
                let change = if as_file { Change::AsFile } else { Change::Say { mode, order } };
                self.set_plugin(&name, change).await
            }
            Command::PluginAllow { name, permissions, revoke } => self.allow(name, permissions, revoke).await,
            Command::PluginHistory { name } => to_json(&self.plugin_history(&name).await?),
            Command::PluginShadow { name } => to_json(&self.shadow(&name)?),
            Command::PluginRollback { name, to, since } => self.roll_back(name, to, since).await,
            Command::ClientList => {
                let clients = self.store.clients().await?;
                to_json(&clients.iter().map(client_view).collect::<Vec<_>>())
            }
            Command::ClientAdd { id, metadata: Some(metadata), secret, .. } => self.add_client_with(id, &metadata, secret).await,
            Command::ClientAdd { id, name, kind, long_poll, secret, metadata: None } => {
                self.add_client(id, name, kind, long_poll, secret).await
            }
            Command::ClientShow { id } => self.show_client(&id).await,
            Command::ClientUpdate { id, metadata, secret } => self.update_client(&id, &metadata, secret).await,
            Command::ClientInvite { uses, hours } => self.invite_client(uses, hours).await,
            Command::ClientRemove { id } => self.remove_client(&id).await,
            Command::UserList => to_json(&self.store.users().await?),
            Command::UserAdd { username, name, email, phone, locale } => self.add_user(username, name, email, phone, locale).await,
            Command::UserRemove { username } => self.remove_user(&username).await,
            Command::UserCode { username, code, remove } => self.user_code(&username, code, remove).await,
            Command::UserDevice { username, channel, address, name } => self.add_device(&username, channel, address, name).await,
            Command::UserEnrol { username } => self.enrol(&username).await,
            Command::RequestList { most } => {
                let now = self.clock.now();
                let listed = self.store.requests(most).await?;
                to_json(&listed.into_iter().map(|listed| request_view(listed, now)).collect::<Vec<_>>())
            }
            Command::RequestShow { transaction } => {
                let listed = self.store.request(&transaction).await?.ok_or_else(|| no_request(&transaction))?;
                to_json(&request_view(listed, self.clock.now()))
            }
            Command::RequestDecide { transaction, decision } => self.decide(transaction, decision).await,
            Command::KeyList => self.key_list(),
            Command::KeyRotate { alg, overlap_hours } => self.key_rotate(alg, overlap_hours).await,
            Command::KeyImport { alg, key } => self.key_import(alg, key).await,
            Command::AuditList { most, since, word } => to_json(&self.store.audit_log(AuditQuery { since, word, most }).await?),
        }
    }

    async fn status(&self) -> Result<Value, NotDone> {
        let now = self.clock.now();
        let plugins = self.plugins().await?;
        let count = |state: &str| plugins.iter().filter(|plugin| plugin.state == state).count();
        Ok(json!({
            "running": self.flow.is_some(),
            "pid": self.flow.is_some().then(std::process::id),
            "uptime_seconds": self.flow.is_some().then(|| now.duration_since(self.started_at).as_secs()),
            "issuer": self.flow.as_ref().map(|flow| &flow.issuer),
            "version": env!("CARGO_PKG_VERSION"),
            "plugins": {
                "serving": plugins.iter().filter(|plugin| plugin.version.is_some() && plugin.mode != Some(Mode::Shadow)).count(),
                "shadows": plugins.iter().filter(|plugin| plugin.mode == Some(Mode::Shadow)).count(),
                "blocked": count("blocked"),
                "refused": count("refused"),
                "waiting": count("waiting"),
            },
        }))
    }

    fn running(&self, why: &str) -> Result<&Arc<Flow>, NotDone> {
        self.flow.as_ref().ok_or_else(|| NotDone::Asked(format!("the host does not run: {why}")))
    }

    fn audit(&self, what: &str, about: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: self.who.to_owned(), what: what.to_owned(), about: about.to_owned() }
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, NotDone> {
    serde_json::to_value(value).map_err(|error| NotDone::Asked(error.to_string()))
}

fn found(found: bool, otherwise: impl FnOnce() -> String) -> Result<Value, NotDone> {
    if found { Ok(json!({ "removed": true })) } else { Err(NotDone::Asked(otherwise())) }
}
