//! `/NAME/…` on the plugins' listener: a request from outside for a plugin, and its answer.
//!
//! What comes back is made harmless whoever asked: browsers send cookies to every port of a host, and the person who
//! opens a plugin's page is signed in on the device page. So no cookie goes in and none comes out, and a page of a
//! plugin's has no origin, no script, no form and no frame.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::{App, body};
use crate::protocol::plugin::PluginName;
use crate::runtime::{CallFailure, Inbound, Urgency, Version};

/// Requests from outside that plugins work on at the same time.
pub(super) const AT_ONCE: usize = 64;
/// When to come again, where there is no place.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What never goes to a plugin: what people and clients show us, and what is about a connection. A caller of a plugin's
/// proves itself by a signature, or by its address.
const WITHHELD: [HeaderName; 10] = [
    header::COOKIE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("dpop"),
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
];

/// What a plugin may say beside status and body. Everything else of its answer is left off: cookies, what holds for a
/// whole host (`strict-transport-security`, `clear-site-data`), and what means something to a proxy on the way.
const HANDED_ON: [HeaderName; 10] = [
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
];

/// A document of a plugin's is of no origin, runs nothing, sends nothing and frames nothing.
const SANDBOX: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Calls the plugin whose name stands first in the path.
pub(super) async fn call(State(app): State<App>, places: Arc<Semaphore>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some((version, inner)) = addressed(&app, &parts.uri) else { return super::answer::not_found().await.into_response() };
    // Read before there is a place: a caller that drips holds up nobody but itself.
    let body = match body::collect(body).await {
        Ok(body) => body,
        Err((status, what)) => return harmless((status, what + "\n").into_response()),
    };
    let (Ok(place), Some(own)) = (places.try_acquire_owned(), version.shared.inbound_place()) else { return busy() };
    let Some(request) = handed_in(parts, inner, body, app.secure) else {
        return harmless((StatusCode::BAD_REQUEST, "this is no address\n").into_response());
    };
    // The call goes on when its caller hangs up, and keeps its places as long.
    let call = async move {
        let _places = (place, own);
        app.flow.runtime.call(&version, Inbound { request }, Urgency::Background).await.result
    };
    match tokio::spawn(call.in_current_span()).await {
        Ok(Ok(answer)) => answered(answer),
        Ok(Err(CallFailure::Busy(_))) => busy(),
        // Why is the operator's to read, in the plugin's log.
        Ok(Err(_)) | Err(_) => harmless((StatusCode::BAD_GATEWAY, "the plugin gave no answer\n").into_response()),
    }
}

/// The plugin that serves under this name, if it may be called, and the address as it sees it.
fn addressed(app: &App, uri: &Uri) -> Option<(Arc<Version>, String)> {
    let rest = uri.path().strip_prefix('/')?;
    let (name, inner) = rest.split_once('/').unwrap_or((rest, ""));
    let version = app.flow.runtime.catalog().plugin(&PluginName::parse(name).ok()?)?.serving.clone()?;
    if !version.takes_inbound() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((version, format!("/{inner}{query}")))
}

/// The request without what must not go in.
fn handed_in(parts: http::request::Parts, inner: String, body: Bytes, secure: bool) -> Option<http::Request<Bytes>> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if secure { uri::Scheme::HTTPS } else { uri::Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(inner).build().ok()?;
    let mut headers = parts.headers;
    WITHHELD.iter().for_each(|name| drop(headers.remove(name)));
    let mut request = http::Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(request)
}

/// The answer without what must not come out.
fn answered(answer: http::Response<Bytes>) -> Response {
    let (parts, body) = answer.into_parts();
    if !(200..=599).contains(&parts.status.as_u16()) {
        return harmless((StatusCode::BAD_GATEWAY, "the plugin gave an answer that is none\n").into_response());
    }
    let mut headers = HeaderMap::new();
    for name in &HANDED_ON {
        for value in parts.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    harmless((parts.status, headers, Body::from(body)).into_response())
}

fn busy() -> Response {
    harmless((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)], "too much at once\n").into_response())
}

fn harmless(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
