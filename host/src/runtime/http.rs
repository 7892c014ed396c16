//! Outgoing HTTP of guests: permission checked per request, sent through the one door, every answer bounded.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::Either;
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, field};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::call_log::CallLog;
use super::limits::CallLimits;
use super::shared::LogLevel;
use super::withheld::ActKind;
use crate::outbound::{Client, SendError};
use crate::protocol::plugin::is_origin;
use crate::traces::{self, SPAN};

/// What a call needs to send.
#[derive(Clone)]
pub(super) struct Outgoing {
    log: Arc<CallLog>,
    client: Client<WasiBody>,
    response_max: usize,
    wall: Duration,
    /// When its call began, as nearly as it matters.
    since: Instant,
    /// Places for requests of this call. Each is an open connection, and those are the host's.
    places: Arc<Semaphore>,
    per_call: u32,
}

impl Outgoing {
    pub(super) fn new(log: Arc<CallLog>, client: Client<WasiBody>, limits: &CallLimits) -> Self {
        Self {
            log,
            client,
            response_max: (limits.http_response_kib as usize) << 10,
            wall: limits.wall(),
            since: Instant::now(),
            places: Arc::new(Semaphore::new(limits.http_per_call as usize)),
            per_call: limits.http_per_call,
        }
    }

    /// Waits for a place among the requests of this call, and then of its plugin.
    async fn place(&self) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let own = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some((own, Arc::clone(&self.log.shared.http_places).acquire_owned().await.ok()?))
    }

    /// Whether the operator allowed this origin. Where not, that is said.
    pub(super) fn is_allowed(&self, origin: &str) -> bool {
        let allowed = self.log.shared.permissions().http.contains(origin);
        if !allowed {
            let (permission, fix) = if is_origin(origin) {
                (format!("http {origin}"), format!("ciba-host plugin allow {} --http {origin}", self.log.shared.name))
            } else {
                ("http".to_owned(), "ask its author: no such host can be allowed".to_owned())
            };
            self.log.refuse(&permission, &format!("HTTP to {origin}"), &fix);
        }
        allowed
    }

    /// Sends a request that was allowed, in a span whose name it carries, and waits so long for the head of its answer.
    fn send(
        self,
        mut request: http::Request<WasiBody>,
        origin: String,
        patience: Duration,
    ) -> impl Future<Output = Result<http::Response<WasiBody>, Error>> + Send {
        if self.log.withholds(ActKind::Http, || format!("{} to {origin}", request.method())) {
            return Either::Left(ready(Err(Error::InternalError(Some("this is a shadow: nothing is sent".to_owned())))));
        }
        let span = tracing::trace_span!(
            target: SPAN,
            "http",
            otel.name = format!("{} {origin}", request.method()),
            otel.kind = "client",
            http.request.method = %request.method(),
            server.address = origin,
            http.response.status_code = field::Empty,
            otel.status_code = field::Empty,
        );
        traces::write(&span, request.headers_mut());
        let sending = span.clone();
        let sending_in_span = async move {
            let sent = self.send_in_place(request, origin, patience).await;
            match &sent {
                Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
                Err(_) => span.record("otel.status_code", "ERROR"),
            };
            sent
        };
        Either::Right(sending_in_span.instrument(sending))
    }

    async fn send_in_place(
        self,
        request: http::Request<WasiBody>,
        origin: String,
        patience: Duration,
    ) -> Result<http::Response<WasiBody>, Error> {
        let start = Instant::now();
        let Ok(Some(place)) = tokio::time::timeout(patience, self.place()).await else {
            let what = format!(
                "HTTP to {origin}: not sent, because {} requests of one call, or too many of the plugin, are under way",
                self.per_call
            );
            self.log.write(LogLevel::Warn, &what);
            return Err(Error::HttpResponseTimeout);
        };
        let patience = patience.saturating_sub(start.elapsed());
        let sent = tokio::time::timeout(patience, self.client.send(request)).await.map_err(|_| Error::HttpResponseTimeout)?;
        let response = sent.map_err(|error| {
            self.log.write(LogLevel::Warn, &format!("HTTP to {origin}: {error}"));
            match error {
                SendError::AddressRefused(_) => Error::DestinationIpProhibited,
                SendError::Connect(_) => Error::ConnectionRefused,
                SendError::NoAnswer(_) => Error::ConnectionTerminated,
            }
        })?;
        let (parts, body) = response.into_parts();
        let limit = self.response_max as u64;
        let body = Limited::new(body, self.response_max).map_err(move |_| {
            // Until the body is gone the connection is in use, and so is its place.
            let _ = &place;
            Error::HttpResponseBodySize(Some(limit))
        });
        Ok(http::Response::from_parts(parts, body.boxed_unsync()))
    }

    /// The whole answer to a request of the host's own for this plugin: allowed, limited and said like one of the plugin's.
    pub(super) async fn fetch(self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Error> {
        let origin = origin_of(request.uri());
        if !self.is_allowed(&origin) {
            return Err(Error::HttpRequestDenied);
        }
        let request = request.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
        // A half of what its call has left: who waits for it must hear that it failed before the call ends.
        let patience = self.wall.saturating_sub(self.since.elapsed()) / 2;
        let fetch = async {
            let (parts, body) = self.send(request, origin, patience).await?.into_parts();
            Ok(http::Response::from_parts(parts, body.collect().await?.to_bytes()))
        };
        tokio::time::timeout(patience, fetch).await.unwrap_or(Err(Error::HttpResponseTimeout))
    }
}

type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), Error>> + Send>;
type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(&mut self, request: http::Request<WasiBody>, options: Option<RequestOptions>, _: Done) -> Sent {
        let origin = origin_of(request.uri());
        if !self.is_allowed(&origin) {
            return Box::new(ready(Err(Error::HttpRequestDenied)));
        }
        let patience = options.and_then(|options| options.first_byte_timeout).unwrap_or(self.wall).min(self.wall);
        let sent = self.clone().send(request, origin, patience);
        Box::new(async move {
            let done: Done = Box::new(ready(Ok(())));
            Ok((sent.await?, done))
        })
    }
}

/// Scheme, host and port, with the port left out where it is the scheme's own: as permissions are written.
pub(super) fn origin_of(uri: &http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https").to_ascii_lowercase();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match uri.port_u16() {
        Some(port) if !matches!((scheme.as_str(), port), ("https", 443) | ("http", 80)) => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_origin_is_written_as_permissions_are() {
        for (uri, origin) in [
            ("https://Push.Example.com/a?b", "https://push.example.com"),
            ("https://push.example.com:443/", "https://push.example.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://user@push.example.com/", "http://push.example.com"),
        ] {
            assert_eq!(super::origin_of(&uri.parse().unwrap()), origin, "{uri}");
        }
    }
}
