//! A provider whose clients are told: registered before its first start, with an endpoint of the test's own.

use std::fs;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ciba_host::protocol::client::{Client as Registered, ClientKind, ClientMetadata, DeliveryMode, Origin};
use ciba_host::protocol::identifier::Digest;
use ciba_host::store::sqlite::SqliteStore;
use ciba_host::store::{AuditEntry, Store as _};
use jiff::Timestamp;

use crate::host::{Data, Host};
use crate::party::{Client, Phone, waiting_in};
use crate::secure::Authority;

/// What these clients hold.
pub const SECRET: &str = "a-secret-of-at-least-16-characters";
/// What they give us to know us by.
pub const TOKEN: &str = "a-notification-token.~+/=";

/// A running provider.
pub struct Provider {
    pub host: Host,
    pub phone: Phone,
}

/// A client in this mode, told at this endpoint.
pub fn client(id: &str, mode: DeliveryMode, endpoint: &str) -> Registered {
    let mut client = Registered::with_secret(id.into(), id, ClientKind::Ciba, Digest::of(SECRET.as_bytes()), Origin::Command);
    change(&mut client, |metadata| {
        metadata.backchannel_token_delivery_mode = mode;
        metadata.backchannel_client_notification_endpoint = Some(endpoint.to_owned());
    });
    client
}

/// The same client, registered differently.
pub fn change(client: &mut Registered, change: impl FnOnce(&mut ClientMetadata)) {
    change(Arc::make_mut(&mut client.metadata));
}

/// Registers clients where no host runs.
///
/// # Errors
/// When the database cannot be written.
pub fn register(data: &Data, clients: &[Registered]) -> Result<()> {
    // The program first: to a database belongs a key.
    data.must(&["client", "list"])?;
    let store = SqliteStore::open(&data.path().join("ciba.db"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for client in clients {
        let audit =
            AuditEntry { at: Timestamp::UNIX_EPOCH, who: "test".to_owned(), what: "client add".to_owned(), about: client.id.0.clone() };
        runtime.block_on(store.put_client(client.clone(), audit))?;
    }
    Ok(())
}

impl Provider {
    /// Starts one that believes in the authority, and may call what listens on loopback. Alice has a phone.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn start(authority: &Authority, clients: &[Registered]) -> Result<Self> {
        Self::reaching("['127.0.0.0/8']", authority, clients)
    }

    /// The same for one that may call other private networks.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn reaching(networks: &str, authority: &Authority, clients: &[Registered]) -> Result<Self> {
        let config = format!("[outbound]\nclient_networks = {networks}\ncertificate_authorities = 'authority.pem'\n");
        let data = Data::with_config(&config)?;
        fs::write(data.path().join("authority.pem"), authority.pem())?;
        register(&data, clients)?;
        let host = data.serve(&[])?;
        host.data.must(&["user", "add", "alice"])?;
        let phone = Phone::of(&host, "alice")?;
        Ok(Self { host, phone })
    }

    /// `kill -9`, and a new start in the same directory.
    ///
    /// # Errors
    /// Why it did not start again.
    pub fn killed_and_started(self) -> Result<Self> {
        self.killed_and_started_with(&[])
    }

    /// The same, after these clients were registered, perhaps anew.
    ///
    /// # Errors
    /// Why it did not start again.
    pub fn killed_and_started_with(self, clients: &[Registered]) -> Result<Self> {
        let data = self.host.kill()?;
        register(&data, clients)?;
        let host = data.serve(&[])?;
        let phone = self.phone.moved_to(&host);
        Ok(Self { host, phone })
    }

    /// One of the clients.
    pub fn client(&self, id: &str) -> Client {
        Client::with_secret(&self.host, id, SECRET)
    }

    /// A request of this client's for alice that nobody has answered.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub fn start_request(&self, client: &str, more: &[(&str, &str)]) -> Result<String> {
        let parameters = [&[("client_notification_token", TOKEN)], more].concat();
        self.client(client).start_with("alice", &parameters)
    }

    /// Alice answers what waits, which is one request.
    ///
    /// # Errors
    /// When another number waits, or her answer did not count.
    pub fn alice(&self, decision: &str) -> Result<()> {
        let waiting = waiting_in(&self.phone.check()?);
        let [transaction] = &*waiting else { anyhow::bail!("{waiting:?} wait") };
        let answer = self.phone.decide(transaction, decision)?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(())
    }

    /// A request that alice has approved.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub fn approved(&self, client: &str) -> Result<String> {
        let id = self.start_request(client, &[])?;
        self.alice("approve")?;
        Ok(id)
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self, table: &str) -> Result<i64> {
        let database = rusqlite::Connection::open(self.host.data.path().join("ciba.db"))?;
        let count = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        count.with_context(|| table.to_owned())
    }
}
