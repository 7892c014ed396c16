//! The one door for outgoing HTTP.
//!
//! Whoever sends gets a [`Client`] of its own: connections are never shared between parties with different
//! rights. The caller has checked that the origin is allowed; this room checks the address that is actually
//! connected to, after DNS, so that a name cannot point inside. No redirect is followed.

mod address;
mod callbacks;
mod connect;

use std::io;
use std::time::Duration;

use hyper::body::Body;
use hyper::{Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioExecutor;

pub use address::Networks;
pub use callbacks::{CallError, CallbackAnswer, Caller, Fetched};

use crate::tls::{ClientConfig, system_authorities};
use connect::{CheckedConnector, Names, Rule};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept per host.
const IDLE_PER_HOST: usize = 4;
/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// Makes clients.
#[derive(Clone)]
pub struct Door {
    tls: ClientConfig,
    private_networks: Networks,
    client_networks: Networks,
}

impl Door {
    /// A door that lets connections through to public addresses, and for origins that the operator allowed to
    /// `private_networks`. It believes the authorities of this system.
    pub fn new(private_networks: Networks) -> Self {
        Self { tls: system_authorities(), private_networks, client_networks: Networks::default() }
    }

    /// The same, for which `tls` says whom it believes.
    #[must_use]
    pub fn believing(self, tls: ClientConfig) -> Self {
        Self { tls, ..self }
    }

    /// The same, where what clients registered may lead to these networks: strangers wrote those addresses, so that it takes
    /// a word of its own.
    #[must_use]
    pub fn with_client_networks(self, client_networks: Networks) -> Self {
        Self { client_networks, ..self }
    }

    /// A client with connections of its own, for origins that the operator allowed.
    pub fn client<B>(&self) -> Client<B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.client_for(Rule::Allowed)
    }

    /// What calls the addresses that clients registered.
    pub fn callbacks(&self) -> Caller {
        Caller::new(self.client_for(Rule::Registered))
    }

    /// A client for an address that the operator wrote for the host's own use. Nothing of it is checked.
    pub fn own_client<B>(&self) -> Client<B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.client_for(Rule::Own)
    }

    fn client_for<B>(&self, rule: Rule) -> Client<B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let private_networks = match rule {
            Rule::Allowed => self.private_networks.clone(),
            Rule::Registered => self.client_networks.clone(),
            Rule::Own => Networks::default(),
        };
        let connector = CheckedConnector { private_networks, rule, names: Names::of_system(rule) };
        let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(self.tls.clone());
        let https = match rule {
            Rule::Allowed | Rule::Own => https.https_or_http(),
            Rule::Registered => https.https_only(),
        };
        let https = https.enable_http1().enable_http2().wrap_connector(connector);
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .timer(hyper_util::rt::TokioTimer::new())
            .http1_max_headers(64)
            .http1_max_buf_size(HEAD_MAX)
            .http2_max_header_list_size(HEAD_MAX as u32)
            .build(https);
        Client(client)
    }
}

/// Sends requests, with connections of its own. Clones share them.
pub struct Client<B>(hyper_util::client::legacy::Client<HttpsConnector<CheckedConnector>, B>);

// Not derived, because that would ask for bodies that can be cloned.
impl<B> Clone for Client<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The name has no address that may be connected to.
    #[error("{0}")]
    AddressRefused(String),
    /// Nobody accepted the connection, or its TLS.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before the answer's headers were there.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

impl<B> Client<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Sends one request; the answer's body is still on its way.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, request: Request<B>) -> Result<Response<hyper::body::Incoming>, SendError> {
        self.0.request(request).await.map_err(|error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                if let Some(refused) = source.downcast_ref::<io::Error>().filter(|error| error.kind() == io::ErrorKind::PermissionDenied) {
                    return SendError::AddressRefused(refused.to_string());
                }
                cause = source;
            }
            if error.is_connect() { SendError::Connect(cause.to_string()) } else { SendError::NoAnswer(cause.to_string()) }
        })
    }
}
