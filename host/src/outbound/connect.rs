//! Connecting: a name is resolved once, and the address that is connected to is the one that was checked.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::address::{Networks, may_be_named};

/// How long a connection may take, with looking up its name.
const CONNECT: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried, each for its share of the time: one that swallows everything must not stand
/// in the way of the next.
const TRIED_MAX: usize = 4;

/// Names that are looked up at the same time, for each rule. The system's resolver takes a thread for as long as a name
/// server is silent, of a pool that the database works in too, and does not stop when nobody waits any more.
const LOOK_UPS_MAX: usize = 32;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The operator allowed the origin: an address that stands in the URL is meant, whatever it is. A name must not lead
    /// anywhere private.
    Allowed,
    /// Somebody else wrote the URL: nothing in it is meant until it was checked.
    Registered,
    /// The operator wrote the URL, for the host's own use: it leads where it leads.
    Own,
}

/// Resolves a name and connects to one of its addresses, each of which it has checked itself.
#[derive(Clone)]
pub(super) struct CheckedConnector {
    pub(super) private_networks: Networks,
    pub(super) rule: Rule,
    pub(super) names: Names,
}

/// Where addresses of names come from.
#[derive(Clone)]
pub(super) enum Names {
    /// The system's resolver, and the places at it.
    System(Arc<Semaphore>),
    /// Answers that a test wrote down, each for one question.
    #[cfg(test)]
    Scripted(Arc<std::sync::Mutex<std::collections::VecDeque<Vec<IpAddr>>>>),
}

impl Names {
    /// The system's. What strangers registered takes no place from what the operator allowed.
    pub(super) fn of_system(rule: Rule) -> Self {
        static PLACES: LazyLock<[Arc<Semaphore>; 3]> = LazyLock::new(|| [(); 3].map(|()| Arc::new(Semaphore::new(LOOK_UPS_MAX))));
        let [allowed, registered, own] = &*PLACES;
        Self::System(Arc::clone(match rule {
            Rule::Allowed => allowed,
            Rule::Registered => registered,
            Rule::Own => own,
        }))
    }

    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System(places) => {
                if let Ok(address) = host.parse() {
                    return Ok(vec![SocketAddr::new(address, port)]);
                }
                let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
                let host = host.to_owned();
                let look_up = move || {
                    // Held as long as the thread is, also when whoever asked has given up.
                    let _place = place;
                    Ok((host.as_str(), port).to_socket_addrs()?.collect())
                };
                tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
            }
            #[cfg(test)]
            Self::Scripted(answers) => {
                let answer = answers.lock().unwrap().pop_front().ok_or_else(|| io::Error::other("nobody expected this question"))?;
                Ok(answer.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
            }
        }
    }
}

impl tower::Service<Uri> for CheckedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT, connector.connect(&uri)).await;
            connected.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT.as_secs())))?
        })
    }
}

impl CheckedConnector {
    async fn connect(&self, uri: &Uri) -> io::Result<TokioIo<TcpStream>> {
        let host = uri.host().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut last = io::Error::new(io::ErrorKind::PermissionDenied, format!("{host} has no public address"));
        let (allowed, refused): (Vec<_>, Vec<_>) =
            self.names.look_up(host, port).await?.into_iter().partition(|address| self.may_reach(host, address.ip()));
        if let Some(refused) = refused.first() {
            let what = format!("{host} leads to {}, which is not a public address", refused.ip());
            last = io::Error::new(io::ErrorKind::PermissionDenied, what);
        }
        let share = CONNECT / u32::try_from(allowed.len().clamp(1, TRIED_MAX)).unwrap_or(1);
        for address in allowed.into_iter().take(TRIED_MAX) {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no connection to {address} in time")),
            }
        }
        Err(last)
    }

    fn may_reach(&self, host: &str, address: IpAddr) -> bool {
        // An address that stands in the URL was allowed as it stands.
        let is_literal = || host.parse::<IpAddr>().is_ok() || host == "localhost";
        match self.rule {
            Rule::Own => true,
            Rule::Allowed if is_literal() => may_be_named(address, &self.private_networks),
            _ => self.private_networks.allow(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    fn connector(rule: Rule, networks: &[&str], answers: &[&[&str]]) -> CheckedConnector {
        let networks: Vec<String> = networks.iter().map(|network| (*network).to_owned()).collect();
        let answers: VecDeque<Vec<IpAddr>> =
            answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect()).collect();
        let names = Names::Scripted(Arc::new(Mutex::new(answers)));
        CheckedConnector { private_networks: Networks::try_from(networks).unwrap(), rule, names }
    }

    /// Where a request to `url` would connect, or why nowhere.
    async fn reached(connector: &CheckedConnector, url: &str) -> Result<SocketAddr, String> {
        let connected = connector.connect(&url.parse().unwrap()).await;
        connected.map(|stream| stream.inner().peer_addr().unwrap()).map_err(|error| format!("{:?}: {error}", error.kind()))
    }

    /// Two listeners on the same port: the first address plays a private one, the second a public one.
    async fn two_listeners() -> (TcpListener, TcpListener) {
        loop {
            let private = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(public) = TcpListener::bind(("127.0.0.2", private.local_addr().unwrap().port())).await {
                return (private, public);
            }
        }
    }

    #[tokio::test]
    async fn of_two_addresses_only_the_one_that_may_be_reached_is() {
        let (private, public) = two_listeners().await;
        let port = public.local_addr().unwrap().port();
        for rule in [Rule::Allowed, Rule::Registered] {
            for order in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
                let connector = connector(rule, &["127.0.0.2/32"], &[&order]);
                assert_eq!(reached(&connector, &format!("https://callback.example:{port}/")).await, Ok(public.local_addr().unwrap()));
            }
        }
        // Nobody ever knocked at the other one.
        assert!(tokio::time::timeout(Duration::ZERO, private.accept()).await.is_err());
    }

    #[tokio::test]
    async fn a_name_that_changes_its_answer_is_asked_once_for_each_connection_and_checked_each_time() {
        let (_private, public) = two_listeners().await;
        let port = public.local_addr().unwrap().port();
        for rule in [Rule::Allowed, Rule::Registered] {
            let connector = connector(rule, &["127.0.0.2/32"], &[&["127.0.0.2"], &["127.0.0.1"]]);
            let url = format!("https://callback.example:{port}/");
            assert_eq!(reached(&connector, &url).await, Ok(public.local_addr().unwrap()));
            assert!(reached(&connector, &url).await.unwrap_err().starts_with("PermissionDenied"));
            // A second look at the same connection's name would have found nothing left to answer.
            assert!(reached(&connector, &url).await.unwrap_err().contains("nobody expected this question"));
        }
    }

    #[tokio::test]
    async fn what_a_client_registered_is_checked_whether_it_is_a_name_or_an_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (rule, networks, host, reachable) in [
            (Rule::Registered, &[][..], "127.0.0.1", false),
            (Rule::Registered, &[], "localhost", false),
            (Rule::Registered, &[], "callback.example", false),
            (Rule::Registered, &["127.0.0.0/8"], "127.0.0.1", true),
            (Rule::Registered, &["127.0.0.0/8"], "localhost", true),
            (Rule::Registered, &["127.0.0.0/8"], "callback.example", true),
            (Rule::Registered, &["10.0.0.0/8"], "127.0.0.1", false),
            (Rule::Allowed, &[], "127.0.0.1", true),
            (Rule::Allowed, &[], "localhost", true),
            (Rule::Allowed, &[], "callback.example", false),
        ] {
            let connector = connector(rule, networks, &[&["127.0.0.1"]]);
            let found = reached(&connector, &format!("https://{host}:{port}/")).await;
            assert_eq!(found.is_ok(), reachable, "{rule:?} {networks:?} {host}: {found:?}");
            assert!(found.is_ok() || found.unwrap_err().starts_with("PermissionDenied"));
        }
    }

    #[tokio::test]
    async fn a_name_waits_for_a_place_at_the_resolver_and_an_address_needs_none() {
        let places = Arc::new(Semaphore::new(1));
        let names = Names::System(Arc::clone(&places));
        let taken = places.try_acquire().unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, names.look_up("localhost", 1)).await.is_err());
        assert_eq!(names.look_up("::1", 1).await.unwrap(), ["[::1]:1".parse().unwrap()]);
        drop(taken);
        assert!(names.look_up("localhost", 1).await.unwrap().iter().all(|address| address.ip().is_loopback()));
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn link_local_addresses_are_never_reached() {
        for address in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"] {
            let connector = connector(Rule::Registered, &["0.0.0.0/0", "::/0"], &[&[address]]);
            assert!(reached(&connector, "https://metadata.example/").await.unwrap_err().starts_with("PermissionDenied"), "{address}");
        }
    }
}
