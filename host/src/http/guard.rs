//! Who is spoken to, and from where: `Host` against DNS rebinding, `Origin` against forged requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

/// The names a listener answers to.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// A listener's own address, `localhost` where loopback leads to it, the issuer, and what the operator adds.
    pub fn of(listener: SocketAddr, issuer: &str, more: &[String]) -> Self {
        let named = nameable(listener);
        let mut names = vec![named.to_string()];
        if named.ip().is_loopback() {
            names.push(format!("localhost:{}", named.port()));
        }
        names.extend(issuer.split_once("://").map(|(_, authority)| authority.to_owned()));
        names.extend(more.iter().map(|name| name.to_ascii_lowercase()));
        Self(names)
    }

    /// Adds the authority of an address under which a listener is published.
    pub fn add(&mut self, url: Option<&str>) {
        self.0.extend(url.and_then(|url| url.split_once("://")).map(|(_, authority)| authority.to_owned()));
    }

    fn know(&self, host: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// The address by which this machine itself reaches a listener: one on all addresses is on loopback as well.
pub fn nameable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Refuses requests for names that are not ours. A page of somebody else's whose name was made to lead here would
/// otherwise be of the same origin as ours.
pub(super) async fn known_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // Health checks come from load balancers, which ask for an address.
    if hosts.know(host) || matches!(request.uri().path(), "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    tracing::warn!(host = %host.escape_debug(), "asked for under a name that is not ours.  do: add it to listen.hosts if it is");
    (StatusCode::MISDIRECTED_REQUEST, "this host is not known by that name\n").into_response()
}

/// Lets pages of other origins neither send nor embed. What changes anything must come from a page of ours.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if !safe && !is_from_us(request.headers()) {
        return (StatusCode::FORBIDDEN, "this can only be sent by a page of this host\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.reserve(6);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| OURS_ALONE.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Finishes what was begun, also when whoever asked hangs up: a decision that was committed must wake those who wait
/// for it. What only reads may be left off.
pub(super) async fn to_the_end(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request could not be answered");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// [`content_security_policy`] of a page whose forms lead nowhere else, which is nearly every page.
static OURS_ALONE: LazyLock<HeaderValue> = LazyLock::new(|| content_security_policy(""));

/// Everything comes from us, nothing frames us, and what a plugin wrote is only ever text. `forms_lead_to` are further
/// origins to which our answer to a form may redirect.
pub(super) fn content_security_policy(forms_lead_to: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self' {forms_lead_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    // An origin that no header can hold never came this far; without it nothing is let in.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The browser says which origin sends; `Host` has been checked to be ours. A browser that hides the origin still
/// says whether it is the same one.
fn is_from_us(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    match text(header::ORIGIN) {
        Some(origin) if origin != "null" => origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)),
        _ => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_known_by_its_address_on_loopback() {
        for (listener, known) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("0.0.0.0:8081", "localhost:8081"),
            ("192.0.2.7:8081", "192.0.2.7:8081"),
        ] {
            assert!(Hosts::of(listener.parse().unwrap(), "https://login.example.com", &[]).know(known), "{listener}: {known}");
        }
        let elsewhere = Hosts::of("192.0.2.7:8081".parse().unwrap(), "https://login.example.com", &[]);
        assert!(!elsewhere.know("localhost:8081") && !elsewhere.know("127.0.0.1:8081"));
    }

    #[test]
    fn only_pages_of_this_host_may_send() {
        for (origin, site, allowed) in [
            (Some("http://127.0.0.1:8080"), None, true),
            (Some("http://127.0.0.1:8081"), None, false),
            (Some("https://evil.example"), Some("same-origin"), false),
            (Some("null"), Some("same-origin"), true),
            (Some("null"), Some("cross-site"), false),
            // As a page that sends no referrer posts a form to an address that is neither https nor loopback.
            (Some("null"), None, false),
            (None, Some("same-origin"), true),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8080"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            assert_eq!(is_from_us(&headers), allowed, "{origin:?} {site:?}");
        }
    }
}
