//! What whoever runs the host may do. The command line, the console and the admin API all do it here.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::decide::By;
use super::{Flow, user_code};
use crate::clock::{Clock, Random};
use crate::protocol::client::{Client, ClientKind, Origin};
use crate::protocol::identifier::{Bearer, ClientId, DeviceId, Digest, TransactionId, UserId};
use crate::protocol::plugin::{Permissions, PluginName, check_origin};
use crate::protocol::transaction::Decision;
use crate::protocol::user::{Device, User, normal_hint};
use crate::runtime::{Counters, Event, Plugin, Status};
use crate::store::{AuditEntry, Decided, Listed, Notified, Store, StoreError};

/// How long an enrolment link is good.
const ENROLMENT: SignedDuration = SignedDuration::from_mins(15);

/// Something an operator wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// How the host is doing.
    Status,
    /// Every plugin.
    PluginList,
    /// One plugin's log.
    PluginLog { name: PluginName },
    /// Sets, adds to or takes from what a plugin may do.
    PluginAllow { name: PluginName, permissions: Permissions, revoke: bool },
    /// Every client.
    ClientList,
    /// Registers a client; its secret is made here unless it is given.
    ClientAdd { id: ClientId, name: String, kind: ClientKind, long_poll: bool, secret: Option<SecretText> },
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
    /// The audit log.
    AuditList { most: u32 },
}

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

/// A request as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    /// What plugins and devices call it.
    pub transaction: TransactionId,
    /// Username.
    pub user: String,
    /// `client_id`.
    pub client: ClientId,
    /// `pending`, `approved`, `denied`, `redeemed` or `expired`.
    pub state: String,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When deciding ends.
    pub expires_at: Timestamp,
    /// How devices were reached.
    pub notified: Vec<Notified>,
}

/// A plugin as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginView {
    /// The stem of its file.
    pub name: PluginName,
    /// `serving`, `blocked`, `waiting`, `refused`, `off`, `removed`, or `stopped` when the host does not run.
    pub state: String,
    /// The version that serves.
    pub version: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// What it is, in its own words.
    pub summary: Option<String>,
    /// The channels it serves.
    pub channels: Vec<String>,
    /// The hooks it exports.
    pub hooks: Vec<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why the file in the folder was not taken, or what is missing; one line.
    pub message: Option<String>,
    /// The command that mends it.
    pub fix: Option<String>,
    /// What it asks for.
    pub asks: Permissions,
    /// What it may do.
    pub allowed: Permissions,
    /// How it has been doing.
    pub counters: Counters,
    /// Its settings, secrets hidden.
    pub settings: Value,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
}

/// Does what operators want.
#[derive(Clone)]
pub struct Operator {
    store: Arc<dyn Store>,
    clock: Clock,
    random: Random,
    /// The running host; without it, only what the store holds can be seen and changed.
    flow: Option<Arc<Flow>>,
    started_at: Timestamp,
    /// Where the device page is, for enrolment links.
    device_page: String,
    /// Held while permissions are read, changed and written: of two changes at once, both count.
    allowing: Arc<Mutex<()>>,
}

impl Operator {
    /// An operator of a running host.
    pub fn of(flow: Arc<Flow>) -> Self {
        let (clock, random) = (flow.clock.clone(), flow.random);
        let device_page = flow.links.device_page().to_owned();
        Self {
            store: Arc::clone(&flow.store),
            started_at: clock.now(),
            clock,
            random,
            device_page,
            flow: Some(flow),
            allowing: Arc::default(),
        }
    }

    /// An operator of a data directory whose host does not run.
    pub fn offline(store: Arc<dyn Store>, clock: Clock, random: Random, device_page: String) -> Self {
        Self { store, started_at: clock.now(), clock, random, device_page, flow: None, allowing: Arc::default() }
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
            Command::PluginLog { name } => {
                let catalog = self.running("a plugin's log is in the memory of the running host")?.runtime.catalog();
                let plugin = catalog.plugin(&name).ok_or_else(|| NotDone::Asked(format!("there is no plugin {name}")))?;
                to_json(&plugin.shared.lines())
            }
            Command::PluginAllow { name, permissions, revoke } => self.allow(name, permissions, revoke).await,
            Command::ClientList => {
                let clients = self.store.clients().await?;
                to_json(&clients.iter().map(client_view).collect::<Vec<_>>())
            }
            Command::ClientAdd { id, name, kind, long_poll, secret } => self.add_client(id, name, kind, long_poll, secret).await,
            Command::ClientRemove { id } => {
                let audit = self.audit("client remove", id.as_str());
                found(self.store.remove_client(&id, audit).await?, || format!("there is no client {id}"))
            }
            Command::UserList => to_json(&self.store.users().await?),
            Command::UserAdd { username, name, email, phone, locale } => self.add_user(username, name, email, phone, locale).await,
            Command::UserRemove { username } => {
                let user = self.user(&username).await?;
                let audit = self.audit("user remove", &username);
                let removed = self.store.remove_user(&user.id, audit).await?;
                if let Some(flow) = &self.flow {
                    flow.wakes.devices_changed(&user.id);
                }
                found(removed, || format!("there is no user {username}"))
            }
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
            Command::AuditList { most } => to_json(&self.store.audit_log(most).await?),
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
                "serving": plugins.iter().filter(|plugin| plugin.version.is_some()).count(),
                "blocked": count("blocked"),
                "refused": count("refused"),
                "waiting": count("waiting"),
            },
        }))
    }

    /// Every plugin, by name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn plugins(&self) -> Result<Vec<PluginView>, NotDone> {
        let Some(flow) = &self.flow else {
            let active = self.store.active_plugins().await?;
            return Ok(active
                .into_iter()
                .map(|active| PluginView {
                    state: "stopped".to_owned(),
                    digest: Some(active.artefact.0),
                    since: Some(active.since),
                    ..empty_view(active.name)
                })
                .collect());
        };
        let runtime = &flow.runtime;
        Ok(runtime.catalog().plugins().map(|(name, plugin)| plugin_view(name, plugin, runtime.allowed(name))).collect())
    }

    async fn allow(&self, name: PluginName, change: Permissions, revoke: bool) -> Result<Value, NotDone> {
        for origin in &change.http {
            check_origin(origin).map_err(NotDone::Asked)?;
        }
        let _alone = self.allowing.lock().await;
        let stored = self.store.permissions().await?.into_iter().find(|(plugin, _)| *plugin == name).map(|(_, permissions)| permissions);
        let stored = stored.unwrap_or_default();
        let next = if revoke {
            Permissions {
                http: stored.http.difference(&change.http).cloned().collect(),
                inbox: stored.inbox && !change.inbox,
                links: stored.links && !change.links,
            }
        } else {
            stored.union(&change)
        };
        let what = if revoke { "plugin allow --revoke" } else { "plugin allow" };
        let audit = self.audit(what, &format!("{name} {}", change.as_options()));
        self.store.allow(&name, next.clone(), audit).await?;
        if let Some(flow) = &self.flow {
            flow.runtime.set_allowed(&name, next.clone());
        }
        to_json(&next)
    }

    async fn add_client(
        &self,
        id: ClientId,
        name: String,
        kind: ClientKind,
        long_poll: bool,
        secret: Option<SecretText>,
    ) -> Result<Value, NotDone> {
        if id.0.is_empty() || id.0.len() > 128 || !id.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotDone::Asked("a client_id is 1 to 128 printable ASCII characters without spaces".to_owned()));
        }
        if kind == ClientKind::HookCaller && secret.as_ref().is_some_and(|secret| secret.0.contains('.')) {
            return Err(NotDone::Asked("the secret of a hook caller has no dot: its credential is CLIENT_ID.SECRET".to_owned()));
        }
        let made = Bearer::from_random(self.random.bytes());
        let digest = match &secret {
            Some(secret) if secret.0.len() < 16 => {
                return Err(NotDone::Asked("a client secret needs at least 16 characters; leave it out and one is made".to_owned()));
            }
            Some(secret) => Digest::of(secret.0.as_bytes()),
            None => made.digest(),
        };
        let mut client = Client::with_secret(id.clone(), &name, kind, digest, Origin::Command);
        Arc::make_mut(&mut client.metadata).long_poll = long_poll;
        let mut view = client_view(&client);
        self.store.add_client(client, self.audit("client add", id.as_str())).await.map_err(|error| match error {
            StoreError::Exists(_) => NotDone::Asked(format!("there is a client {id} already; remove it first, or choose another name")),
            error => error.into(),
        })?;
        if secret.is_none() {
            // The only time it is shown.
            view["client_secret"] = made.reveal().into();
        }
        Ok(view)
    }

    async fn add_user(
        &self,
        username: String,
        name: Option<String>,
        email: Option<String>,
        phone: Option<String>,
        locale: Option<String>,
    ) -> Result<Value, NotDone> {
        if username.trim().is_empty() || username.len() > 128 || username.chars().any(crate::protocol::binding_message::is_unshowable) {
            return Err(NotDone::Asked("a username is 1 to 128 bytes that can be shown".to_owned()));
        }
        if email.as_ref().is_some_and(|email| !email.contains('@')) {
            return Err(NotDone::Asked("an e-mail address contains @".to_owned()));
        }
        if phone.as_ref().is_some_and(|phone| !phone.starts_with('+')) {
            return Err(NotDone::Asked("a phone number is written with its country code, for example +1 555 010 0100".to_owned()));
        }
        let id = UserId(DeviceId::from_random(self.random.bytes()).0);
        let user =
            User { id, name: name.unwrap_or_else(|| username.clone()), username: username.clone(), email, phone, locale, declared: false };
        self.store.add_user(user.clone(), self.audit("user add", &username)).await?;
        to_json(&user)
    }

    async fn add_device(&self, username: &str, channel: String, address: Option<String>, name: Option<String>) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let device = Device {
            id: DeviceId::from_random(self.random.bytes()),
            user: user.id,
            name: name.unwrap_or_else(|| channel.clone()),
            channel,
            address,
            added_at: self.clock.now(),
        };
        self.store.add_device(device.clone(), self.audit("user device", username)).await?;
        if let Some(flow) = &self.flow {
            flow.device_appeared();
        }
        Ok(json!({ "device": device.id, "user": username, "channel": device.channel }))
    }

    async fn user_code(&self, username: &str, code: Option<SecretText>, remove: bool) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let made = code.is_none() && !remove;
        let code = match code {
            _ if remove => None,
            Some(given) => Some(user_code::chosen(&given.0).map_err(NotDone::Asked)?),
            None => Some(user_code::made(self.random)),
        };
        let hash = match code.clone() {
            Some(code) => Some(user_code::hashed(code, self.random).await.map_err(NotDone::Asked)?),
            None => None,
        };
        let audit = self.audit(if remove { "user code remove" } else { "user code" }, username);
        self.store.set_user_code(&user.id, hash, audit).await?;
        // One that was made is shown this once.
        Ok(json!({ "user": username, "has_code": !remove, "code": code.filter(|_| made).map(|code| code.to_string()) }))
    }

    async fn enrol(&self, username: &str) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let token = Bearer::from_random(self.random.bytes());
        let expires_at = self.clock.now() + ENROLMENT;
        self.store.put_enrolment(token.digest(), &user.id, expires_at, self.audit("user enrol", username)).await?;
        Ok(json!({ "link": format!("{}#enrol={}", self.device_page, token.reveal()), "expires_at": expires_at, "user": username }))
    }

    async fn decide(&self, transaction: TransactionId, decision: Decision) -> Result<Value, NotDone> {
        let flow = self.running("an operator decides only in a host that runs")?;
        if !flow.demo {
            return Err(NotDone::Asked(
                "an operator is not the person: `request approve` and `request deny` work in the demo mode only".to_owned(),
            ));
        }
        let listed = self.store.request(&transaction).await?.ok_or_else(|| no_request(&transaction))?;
        let client = flow.registered(&listed.request.client).await?;
        if client.is_some_and(|client| client.metadata.fapi_profile.is_some()) {
            return Err(NotDone::Asked("this client keeps to a FAPI profile: only the person decides its requests".to_owned()));
        }
        let what = match decision {
            Decision::Approve => "request approve",
            Decision::Deny => "request deny",
        };
        let audit = self.audit(what, transaction.as_str());
        match flow.decide(&transaction, &listed.request.user, decision, By::Operator, Some(audit)).await? {
            Decided::Now(_) => Ok(json!({ "transaction": transaction, "state": decision.leads_to().as_str(), "decided_by": "operator" })),
            Decided::Not(card) => {
                let state = card.map_or("gone", |card| card.request.state(self.clock.now()).as_str());
                Err(NotDone::Asked(format!("the request is {state}; only a pending one can be decided")))
            }
        }
    }

    async fn user(&self, username: &str) -> Result<User, NotDone> {
        let found = self.store.user_by_hint(&normal_hint(username)).await?;
        found.ok_or_else(|| NotDone::Asked(format!("there is no user {username}")))
    }

    fn running(&self, why: &str) -> Result<&Arc<Flow>, NotDone> {
        self.flow.as_ref().ok_or_else(|| NotDone::Asked(format!("the host does not run: {why}")))
    }

    fn audit(&self, what: &str, about: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: "operator".to_owned(), what: what.to_owned(), about: about.to_owned() }
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, NotDone> {
    serde_json::to_value(value).map_err(|error| NotDone::Asked(error.to_string()))
}

fn found(found: bool, otherwise: impl FnOnce() -> String) -> Result<Value, NotDone> {
    if found { Ok(json!({ "removed": true })) } else { Err(NotDone::Asked(otherwise())) }
}

fn no_request(transaction: &TransactionId) -> NotDone {
    NotDone::Asked(format!("there is no request {transaction}; `ciba-host request list` shows the latest"))
}

fn client_view(client: &Client) -> Value {
    json!({ "client_id": client.id, "name": client.name(), "kind": client.kind, "delivery": client.delivery(), "long_poll": client.metadata.long_poll })
}

fn request_view(listed: Listed, now: Timestamp) -> RequestView {
    RequestView {
        state: listed.request.state(now).as_str().to_owned(),
        user: listed.username.unwrap_or_else(|| listed.request.user.0.clone()),
        transaction: listed.request.transaction,
        client: listed.request.client,
        created_at: listed.request.created_at,
        expires_at: listed.request.expires_at,
        notified: listed.notified,
    }
}

fn empty_view(name: PluginName) -> PluginView {
    PluginView {
        name,
        state: String::new(),
        version: None,
        digest: None,
        summary: None,
        channels: Vec::new(),
        hooks: Vec::new(),
        since: None,
        message: None,
        fix: None,
        asks: Permissions::default(),
        allowed: Permissions::default(),
        counters: Counters::default(),
        settings: Value::Null,
        events: Vec::new(),
    }
}

/// Everything an operator wants to know of one plugin.
pub fn plugin_view(name: &PluginName, plugin: &Plugin, allowed: Permissions) -> PluginView {
    let mut view = PluginView { allowed, counters: plugin.shared.counters(), events: plugin.events.clone(), ..empty_view(name.clone()) };
    let mut missing = String::new();
    if let Some(version) = &plugin.serving {
        missing = version.missing_permissions().as_options();
        view.version = Some(version.description.version.clone());
        view.digest = Some(version.digest.0.clone());
        view.summary = Some(version.description.summary.clone());
        view.channels.clone_from(&version.description.channels);
        view.hooks.clone_from(&version.hooks);
        view.since = Some(version.since);
        view.asks = version.description.needs.union(&version.file.asks);
        view.settings = version.redacted_settings();
    }
    // What happened last says what no longer happens.
    let stopped = || plugin.events.last().map(|event| event.text.clone());
    let (state, message, fix) = match &plugin.status {
        Status::Serving if !missing.is_empty() => (
            "blocked",
            Some(format!("serves, and is refused what it asks for: {missing}")),
            Some(format!("ciba-host plugin allow {name} {missing}")),
        ),
        Status::Serving => ("serving", None, None),
        Status::Waiting => ("waiting", Some("its file is not whole yet".to_owned()), None),
        Status::Refused(refusal) => ("refused", Some(format!("[{}]: {}", refusal.word, refusal.what)), Some(refusal.fix.clone())),
        Status::Off => ("off", stopped(), None),
        Status::Removed => ("removed", stopped(), None),
    };
    PluginView { state: state.to_owned(), message, fix, ..view }
}
