//! Accepting connections, and letting them end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::peer::{Peers, Shown};
use crate::tls::Acceptor;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive.
const HEAD: Duration = Duration::from_secs(10);
/// How long answers may take to leave once the host is to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Ports that are tried one after the other.
const PORTS_TRIED: usize = 100;
/// Header lines of one request.
const HEADERS_MAX: usize = 64;

/// Takes an address. Port 0 lets the system choose.
///
/// # Errors
/// Why it cannot be had, and what to do.
pub async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "the {what} listener cannot have {address}: another program is listening there.\n  do: stop it, or choose another address with listen.{what} or --listen"
        ),
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("the {what} listener may not have {address}.\n  do: choose a port above 1023, or allow it with AmbientCapabilities=CAP_NET_BIND_SERVICE")
        }
        std::io::ErrorKind::AddrNotAvailable => anyhow::anyhow!("the {what} listener cannot have {address}: this machine has no such address"),
        _ => anyhow::anyhow!("the {what} listener cannot have {address}: {error}"),
    })
}

/// Takes an address, or the same one with the next port that is free.
///
/// # Errors
/// Why none can be had.
pub async fn bind_next(mut address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    for next in (address.port()..=u16::MAX).skip(1).take(PORTS_TRIED) {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => address.set_port(next),
            Err(_) => break,
        }
    }
    bind(address, what).await
}

/// Serves until `stopping` turns true, then lets answers in flight leave. Without `tls` it speaks plain HTTP.
pub async fn serve(listener: TcpListener, tls: Option<Acceptor>, routes: Router, peers: Arc<Peers>, mut stopping: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, for the most part: others are being closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection = Connection { routes: routes.clone(), peers: Arc::clone(&peers), watcher: graceful.watcher() };
        match tls.clone() {
            None => drop(tokio::spawn(connection.carry(stream, Shown { address: address.ip(), chain: None }))),
            // In a task of its own, so that a slow handshake holds up nobody else.
            Some(tls) => drop(tokio::spawn(connection.shake_hands(tls, stream, address.ip(), stopping.clone()))),
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers did not leave within {} s", DRAIN.as_secs());
    }
}

/// What one connection is served with.
struct Connection {
    routes: Router,
    peers: Arc<Peers>,
    watcher: Watcher,
}

impl Connection {
    /// Makes TLS of it first. Who has not finished that when the host stops is not waited for.
    async fn shake_hands(self, tls: Acceptor, stream: TcpStream, address: IpAddr, mut stopping: watch::Receiver<bool>) {
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok(Ok((stream, chain))) => self.carry(stream, Shown { address, chain }).await,
            // Scanners and health checks, for the most part; a client's developer asks for this level.
            Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS came about"),
            Err(_) => tracing::debug!(%address, "no TLS came about within {} s", HANDSHAKE.as_secs()),
        }
    }

    async fn carry<S>(self, stream: S, shown: Shown)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { routes, peers, watcher } = self;
        let connected = peers.meet(shown);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let peer = peers.of(&connected, request.headers_mut());
            request.extensions_mut().insert(peer);
            routes.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks is the peer's affair.
        drop(watcher.watch(connection).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_leads_to_the_next_one() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "admin").await.unwrap();
        let taken = first.local_addr().unwrap();
        assert!(bind(taken, "admin").await.is_err());
        let next = bind_next(taken, "plugins").await.unwrap().local_addr().unwrap();
        assert!(next.port() > taken.port(), "{next} after {taken}");
    }
}
