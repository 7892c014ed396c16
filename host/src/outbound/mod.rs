//! The one door for outgoing HTTP.
//!
//! Whoever sends gets a [`Client`] of its own: connections are never shared between parties with different
//! rights. The caller has checked that the origin is allowed; this room checks the address that is actually
//! connected to, after DNS, so that a name cannot point inside. No redirect is followed.

mod address;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Body;
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub use address::Networks;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections kept per host.
const IDLE_PER_HOST: usize = 4;

/// Makes clients.
#[derive(Clone)]
pub struct Door {
    tls: rustls::ClientConfig,
    private_networks: Networks,
}

impl Door {
    /// A door that lets connections through to public addresses, and to `private_networks`.
    pub fn new(private_networks: Networks) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for certificate in found.certs {
            // One damaged certificate among the system's must not close the door.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            tracing::warn!("this system has no certificate authorities: HTTPS to plugins' hosts will fail. do: install ca-certificates");
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls, private_networks }
    }

    /// A client with connections of its own.
    pub fn client<B>(&self) -> Client<B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connector = CheckedConnector { private_networks: self.private_networks.clone() };
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(connector);
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .timer(hyper_util::rt::TokioTimer::new())
            .http1_max_headers(64)
            .http1_max_buf_size(64 << 10)
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

/// Resolves a name and connects to one of its addresses, each of which it has checked itself.
#[derive(Clone)]
pub struct CheckedConnector {
    private_networks: Networks,
}

impl tower::Service<Uri> for CheckedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let networks = self.private_networks.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT, connect(&uri, &networks)).await;
            connected.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT.as_secs())))?
        })
    }
}

async fn connect(uri: &Uri, networks: &Networks) -> io::Result<TokioIo<TcpStream>> {
    let host = uri.host().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    // An address that stands in the URL was allowed as it stands; a name must not lead anywhere private.
    let literal = host.parse::<std::net::IpAddr>().is_ok() || host == "localhost";
    let mut last = io::Error::new(io::ErrorKind::PermissionDenied, format!("{host} has no public address"));
    for address in tokio::net::lookup_host((host, port)).await? {
        let allowed = if literal { address::may_be_named(address.ip(), networks) } else { networks.allow(address.ip()) };
        if !allowed {
            let what = format!("{host} leads to {}, which is not a public address", address.ip());
            last = io::Error::new(io::ErrorKind::PermissionDenied, what);
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(TokioIo::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
