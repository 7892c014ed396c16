//! The absolute address of an HTTP request, taken apart just as far as sending it needs.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// An `http` or `https` address with a host, and without user name, password or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    https: bool,
    authority: String,
    path_and_query: String,
}

/// Why a text is not such an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError(pub(super) &'static str);

impl Url {
    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port, in lower case, the port only where it is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path, at least `/`, and the query.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Scheme, host and port: what an operator allows.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Whether the host is this machine, by its name or by its address.
    pub fn is_loopback(&self) -> bool {
        let (host, _) = split_port(&self.authority);
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse().is_ok_and(|address: Ipv6Addr| IpAddr::V6(address).is_loopback());
        }
        host == "localhost" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError("an address has neither spaces nor letters outside ASCII"));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError("must begin with https://"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError("must begin with https://")),
        };
        if rest.contains('#') {
            return Err(UrlError("an address to send to has no fragment (`#…`)"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError("an address to send to has neither user name nor password"));
        }
        let (host, port) = split_port(authority);
        if host.is_empty() {
            return Err(UrlError("the address has no host"));
        }
        let own_port = if https { 443 } else { 80 };
        let host = host.to_ascii_lowercase();
        let authority = match port.map(str::parse::<u16>) {
            None => host,
            Some(Ok(port)) if port == own_port => host,
            Some(Ok(port)) if port != 0 => format!("{host}:{port}"),
            Some(_) => return Err(UrlError("the port is a number from 1 to 65535")),
        };
        let path_and_query = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        Ok(Self { https, authority, path_and_query })
    }
}

/// The text as one part of an address, a segment of the path or a value of the query: everything but letters, digits and
/// `-._~` is percent-encoded (RFC 3986, section 2.3), so that nothing in it means anything there.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The host, an IPv6 address with its brackets, and the port where there is one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[after_address..].find(':') {
        Some(colon) => (&authority[..after_address + colon], Some(&authority[after_address + colon + 1..])),
        None => (authority, None),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(), self.path_and_query)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl core::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, origin, path) in [
            ("https://push.example.com", "https://push.example.com", "/"),
            ("HTTPS://Push.Example.COM:443/send?to=A", "https://push.example.com", "/send?to=A"),
            ("https://push.example.com:8443?x=1", "https://push.example.com:8443", "/?x=1"),
            ("http://[::1]:8080/a", "http://[::1]:8080", "/a"),
            ("http://127.0.0.1:80", "http://127.0.0.1", "/"),
        ] {
            let url: Url = text.parse().expect(text);
            assert_eq!(url.origin(), origin, "{text}");
            assert_eq!(url.path_and_query(), path, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "push.example.com",
            "ftp://push.example.com",
            "https://",
            "https:///path",
            "https://:8443/",
            "https://user:secret@push.example.com/",
            "https://push.example.com/#there",
            "https://push.example.com:0/",
            "https://push.example.com:99999/",
            "https://push.example.com:/",
            "https://push example.com/",
            "https://püsh.example.com/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_of_an_address_is_encoded_so_that_it_means_nothing_there() {
        for (text, expected) in [
            ("alice_2.b-c~D", "alice_2.b-c~D"),
            ("a/../b?c=d&e#f", "a%2F..%2Fb%3Fc%3Dd%26e%23f"),
            ("Emp 7%", "Emp%207%25"),
            ("\u{dc}\n", "%C3%9C%0A"),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn loopback_is_a_name_or_an_address() {
        for (text, loopback) in [
            ("http://localhost:8080", true),
            ("http://LOCALHOST/", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]/", true),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            let url: Url = text.parse().expect(text);
            assert_eq!(url.is_loopback(), loopback, "{text}");
        }
    }
}
