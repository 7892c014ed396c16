//! What every request is measured by, and the span in which everything it leads to has its place.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument as _, field};

use super::metrics::{Metrics, Requests, Route};
use crate::protocol::error::ErrorCode;
use crate::traces::{self, SPAN};

/// Counts a request with how it was answered, and says to whoever traces where its time went.
pub(super) async fn watch(State(metrics): State<Arc<Metrics>>, matched: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let route = Route::new(request.method(), matched.as_ref().map(MatchedPath::as_str));
    let span = tracing::trace_span!(
        target: SPAN,
        "request",
        otel.name = format!("{} {}", route.method, route.route),
        otel.kind = "server",
        http.request.method = route.method,
        http.route = route.route,
        http.response.status_code = field::Empty,
        error.r#type = field::Empty,
        otel.status_code = field::Empty,
    );
    if metrics.follow_traces {
        traces::follow(&span, request.headers());
    }
    let watched = Watched { requests: Arc::clone(&metrics.requests), route, start: Instant::now(), ended: None };
    let response = next.run(request).instrument(span.clone()).await;
    let (status, error) = (response.status(), response.extensions().get::<ErrorCode>().map(|code| code.as_str()));
    span.record("http.response.status_code", status.as_u16());
    error.map(|error| span.record("error.type", error));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    watched.ended(status.as_u16(), error);
    response
}

/// A request on its way. It counts also when whoever asked hangs up, by which it is dropped.
struct Watched {
    requests: Arc<Requests>,
    route: Route,
    start: Instant,
    ended: Option<(u16, Option<&'static str>)>,
}

impl Watched {
    fn ended(mut self, status: u16, error: Option<&'static str>) {
        self.ended = Some((status, error));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.requests.count(&self.route, self.ended, self.start.elapsed());
    }
}
