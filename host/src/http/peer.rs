//! Who asks: the address a request comes from, and the certificate that was shown.
//!
//! A proxy in front tells both in headers, which anybody can write. So they are read from configured addresses only and
//! taken away from every request, whoever sent it: nothing behind this point can believe them by mistake.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::clock::Clock;
use crate::config::{AddressHeader, Proxy};
use crate::protocol::certificate::ClientCertificate;
use crate::tls::{Chain, ClientAuthorities};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// RFC 9440 2.2 and 2.3.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// Certificates of one chain that are looked at.
const CHAIN_MAX: usize = 10;

/// Who sent a request. Every request has one among its extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address, as far as it is known.
    pub address: IpAddr,
    /// The certificate whose key it holds, if it showed one.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// A handler asks for it by naming it among its arguments.
impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        // `serve` puts it there, without which nothing arrives here.
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Finds out who asks.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Whose headers are believed.
    pub proxy: Proxy,
    /// Who vouches for certificates.
    pub authorities: ClientAuthorities,
    /// When.
    pub clock: Clock,
}

/// What a connection shows by itself.
pub(super) struct Shown {
    pub(super) address: IpAddr,
    pub(super) chain: Option<Chain>,
}

/// A connection that was looked at.
pub(super) struct Connected {
    peer: Peer,
    through_proxy: bool,
}

impl Peers {
    /// Looks at a new connection.
    pub(super) fn meet(&self, shown: Shown) -> Connected {
        let address = shown.address.to_canonical();
        let certificate = shown.chain.and_then(|chain| match self.authorities.read(&chain, self.clock.now()) {
            Ok(certificate) => Some(noted(address, certificate)),
            Err(error) => {
                tracing::debug!(%address, %error, "the certificate that was shown is left out");
                None
            }
        });
        Connected { peer: Peer { address, certificate }, through_proxy: self.proxy.addresses.hold(address) }
    }

    /// Looks at one request, and takes from its headers what only a proxy may say.
    pub(super) fn of(&self, connected: &Connected, headers: &mut HeaderMap) -> Peer {
        let mut peer = connected.peer.clone();
        if connected.through_proxy {
            peer.address = self.client_address(headers, peer.address);
            // A certificate of the connection is the proxy's own, and would be every client's.
            peer.certificate = if self.proxy.client_cert { self.client_certificate(headers, peer.address) } else { None };
        }
        for name in [X_FORWARDED_FOR, header::FORWARDED, CLIENT_CERT, CLIENT_CERT_CHAIN] {
            headers.remove(name);
        }
        peer
    }

    /// Goes back along the hops, the last one first, to the first that is not one of our proxies. What a client wrote
    /// itself stands before that.
    fn client_address(&self, headers: &HeaderMap, proxy: IpAddr) -> IpAddr {
        let (name, is_forwarded) = match self.proxy.address_header {
            AddressHeader::XForwardedFor => (X_FORWARDED_FOR, false),
            AddressHeader::Forwarded => (header::FORWARDED, true),
        };
        let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        let mut nearest = proxy;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let hop = if is_forwarded { forwarded_for(hop) } else { Some(hop.trim()) };
            // A hop that hides its address, or that we cannot read, is as far as we can see.
            let Some(address) = hop.and_then(address_of) else { break };
            nearest = address.to_canonical();
            if !self.proxy.addresses.hold(nearest) {
                break;
            }
        }
        nearest
    }

    fn client_certificate(&self, headers: &HeaderMap, address: IpAddr) -> Option<Arc<ClientCertificate>> {
        let mut shown = headers.get_all(CLIENT_CERT).iter();
        let value = shown.next()?;
        let certificate = match shown.next() {
            // RFC 9440 2.2: there is exactly one.
            Some(_) => Err("there are two of them".to_owned()),
            None => self.read(value, headers),
        };
        match certificate {
            Ok(certificate) => Some(noted(address, certificate)),
            Err(what) => {
                tracing::warn!(
                    what,
                    "the proxy sent a Client-Cert that is not one.  do: have it send the certificate in DER as RFC 9440 says, base64 between colons"
                );
                None
            }
        }
    }

    fn read(&self, shown: &HeaderValue, headers: &HeaderMap) -> Result<ClientCertificate, String> {
        let shown = shown.to_str().ok().and_then(byte_sequence).ok_or("it is not base64 between colons")?;
        let between = headers.get_all(CLIENT_CERT_CHAIN).iter().flat_map(|line| line.to_str().unwrap_or_default().split(','));
        // What cannot be read vouches for nothing; the certificate may do without it.
        let between = between.take(CHAIN_MAX).filter_map(byte_sequence).collect();
        self.authorities.read(&Chain::from_der(shown, between), self.clock.now()).map_err(|error| error.to_string())
    }
}

/// Whoever sets up a client asks the log what arrived.
fn noted(address: IpAddr, certificate: ClientCertificate) -> Arc<ClientCertificate> {
    let ClientCertificate { subject, chain_valid, .. } = &certificate;
    tracing::debug!(%address, %subject, chain_valid, "a client certificate was shown");
    Arc::new(certificate)
}

/// A byte sequence of structured fields (RFC 8941 3.3.5), which may have parameters behind it that say nothing to us.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let (encoded, parameters) = text.trim().strip_prefix(':')?.split_once(':')?;
    if !parameters.is_empty() && !parameters.trim_start().starts_with(';') {
        return None;
    }
    BASE64_STANDARD.decode(encoded).ok()
}

/// The `for` of one element of `Forwarded` (RFC 7239 4).
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

/// An address as proxies write it: bare, in brackets, with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    bare.or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Networks;

    fn peers(addresses: &[&str], address_header: AddressHeader, client_cert: bool) -> Peers {
        let addresses: Vec<String> = addresses.iter().map(|network| (*network).to_owned()).collect();
        let proxy = Proxy { addresses: Networks::try_from(addresses).unwrap(), address_header, client_cert };
        Peers { proxy, ..Peers::default() }
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// Who sent a request with these headers over a connection from this address.
    fn peer(peers: &Peers, from: &str, headers: &mut HeaderMap) -> Peer {
        let connected = peers.meet(Shown { address: from.parse().unwrap(), chain: None });
        let peer = peers.of(&connected, headers);
        assert!(headers.is_empty(), "these are left for somebody to believe: {headers:?}");
        peer
    }

    #[test]
    fn the_address_is_the_last_one_that_no_proxy_of_ours_has() {
        use AddressHeader::{Forwarded, XForwardedFor};
        const X: &str = "x-forwarded-for";
        const F: &str = "forwarded";
        for (header, from, lines, address) in [
            (XForwardedFor, "10.0.0.1", &[][..], "10.0.0.1"),
            (XForwardedFor, "10.0.0.1", &[(X, "192.0.2.7")], "192.0.2.7"),
            (XForwardedFor, "::ffff:10.0.0.1", &[(X, "192.0.2.7")], "192.0.2.7"),
            // What the client wrote itself stands further left.
            (XForwardedFor, "10.0.0.1", &[(X, "198.51.100.1, 192.0.2.7")], "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", &[(X, "198.51.100.1"), (X, "192.0.2.7")], "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", &[(X, "192.0.2.7, 10.0.0.2, 10.0.0.3")], "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", &[(X, "192.0.2.7:4711")], "192.0.2.7"),
            (XForwardedFor, "10.0.0.1", &[(X, "[2001:db8::7]:4711")], "2001:db8::7"),
            (XForwardedFor, "10.0.0.1", &[(X, "[2001:db8::7]")], "2001:db8::7"),
            (XForwardedFor, "10.0.0.1", &[(X, "2001:db8::7")], "2001:db8::7"),
            // As far as can be seen.
            (XForwardedFor, "10.0.0.1", &[(X, "192.0.2.7, unknown, 10.0.0.2")], "10.0.0.2"),
            (XForwardedFor, "10.0.0.1", &[(X, "")], "10.0.0.1"),
            // The header that the proxy lets through is the client's.
            (XForwardedFor, "10.0.0.1", &[(F, "for=198.51.100.1"), (X, "192.0.2.7")], "192.0.2.7"),
            (Forwarded, "10.0.0.1", &[(F, "for=192.0.2.7"), (X, "198.51.100.1")], "192.0.2.7"),
            (Forwarded, "10.0.0.1", &[(F, "for=198.51.100.1;proto=https, proto=https; For=\"192.0.2.7:4711\"")], "192.0.2.7"),
            (Forwarded, "10.0.0.1", &[(F, "for=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            (Forwarded, "10.0.0.1", &[(F, "for=\"unclosed, for=192.0.2.7")], "192.0.2.7"),
            (Forwarded, "10.0.0.1", &[(F, "for=_hidden")], "10.0.0.1"),
            (Forwarded, "10.0.0.1", &[(F, "by=192.0.2.7")], "10.0.0.1"),
            // Who is not a proxy of ours says nothing about itself.
            (XForwardedFor, "192.0.2.9", &[(X, "192.0.2.7")], "192.0.2.9"),
            (Forwarded, "192.0.2.9", &[(F, "for=192.0.2.7")], "192.0.2.9"),
        ] {
            let found = peer(&peers(&["10.0.0.0/8"], header, false), from, &mut headers(lines));
            assert_eq!(found.address, address.parse::<IpAddr>().unwrap(), "{header:?} {from} {lines:?}");
        }
    }

    fn certificate(subject: &str) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, subject);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_in_a_header_is_taken_from_a_proxy_that_may_name_one() {
        let (mine, other) = (BASE64_STANDARD.encode(certificate("mine")), BASE64_STANDARD.encode(certificate("other")));
        let shown = format!(":{mine}:");
        for (from, client_cert, lines, subject) in [
            ("10.0.0.1", true, vec![("client-cert", shown.clone())], Some("CN=mine")),
            ("10.0.0.1", true, vec![("client-cert", format!(" {shown} ; a=1"))], Some("CN=mine")),
            ("10.0.0.1", true, vec![("client-cert", shown.clone()), ("client-cert-chain", format!(":{other}:, :!:, x"))], Some("CN=mine")),
            ("10.0.0.1", false, vec![("client-cert", shown.clone())], None),
            ("192.0.2.9", true, vec![("client-cert", shown.clone())], None),
            ("10.0.0.1", true, vec![("client-cert", shown.clone()), ("client-cert", format!(":{other}:"))], None),
            ("10.0.0.1", true, vec![("client-cert", format!("{shown}, :{other}:"))], None),
            ("10.0.0.1", true, vec![("client-cert", mine.clone())], None),
            ("10.0.0.1", true, vec![("client-cert", format!("\"{mine}\""))], None),
            ("10.0.0.1", true, vec![("client-cert", ":AAAA:".to_owned())], None),
            ("10.0.0.1", true, vec![("client-cert", "::".to_owned())], None),
            ("10.0.0.1", true, vec![("client-cert", ":".to_owned())], None),
            ("10.0.0.1", true, vec![("client-cert-chain", shown.clone())], None),
            ("10.0.0.1", true, vec![], None),
        ] {
            let peers = peers(&["10.0.0.0/8"], AddressHeader::default(), client_cert);
            let lines: Vec<(&'static str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let found = peer(&peers, from, &mut headers(&lines)).certificate.map(|certificate| certificate.subject_dn());
            assert_eq!(found.as_deref(), subject, "{from} {client_cert} {lines:?}");
        }
    }

    /// The proxy has a certificate of its own, for its connection to us.
    #[test]
    fn a_proxys_own_certificate_is_never_taken_for_its_clients() {
        let shown = || Shown { address: "10.0.0.1".parse().unwrap(), chain: Some(Chain::from_der(certificate("proxy"), Vec::new())) };
        for client_cert in [true, false] {
            let behind = peers(&["10.0.0.0/8"], AddressHeader::default(), client_cert);
            assert!(behind.of(&behind.meet(shown()), &mut HeaderMap::new()).certificate.is_none(), "{client_cert}");
        }
        let direct = peers(&[], AddressHeader::default(), false);
        assert_eq!(direct.of(&direct.meet(shown()), &mut HeaderMap::new()).certificate.unwrap().subject_dn(), "CN=proxy");
    }
}
