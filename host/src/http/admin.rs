//! `POST /admin/v1/…`: what the command line asks of a running host.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::App;
use crate::flow::operator::{Command, NotDone};
use crate::protocol::identifier::Digest;

/// What opens the admin API: a file in the data directory that only this user can read.
#[derive(Debug)]
pub struct AdminToken(pub Digest);

impl AdminToken {
    fn opens(&self, headers: &HeaderMap) -> bool {
        let presented =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
        presented.is_some_and(|token| Digest::of(token.as_bytes()).matches(&self.0))
    }
}

/// `POST /admin/v1/command`: one command, its answer as JSON.
pub(super) async fn command(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    if !app.admin_token.opens(&headers) {
        return unauthorized();
    }
    let command: Command = match super::body::json(&headers, body).await {
        Ok(command) => command,
        Err((status, what)) => return (status, Json(json!({ "error": what }))).into_response(),
    };
    match app.operator.execute(command).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error @ NotDone::Asked(_)) => (StatusCode::CONFLICT, Json(json!({ "error": error.to_string() }))).into_response(),
        Err(NotDone::Store(error)) => {
            tracing::error!(%error, "an operator's command failed");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

/// `POST /admin/v1/console-link`: the token of a one-time link that signs in to the console.
pub(super) async fn console_link(State(app): State<App>, headers: HeaderMap) -> Response {
    if !app.admin_token.opens(&headers) {
        return unauthorized();
    }
    Json(json!({ "token": app.sessions.invite(app.flow.random, app.flow.clock.now()).reveal() })).into_response()
}

fn unauthorized() -> Response {
    let what = json!({ "error": "the admin token is missing or wrong; it stands in the file admin.token of the data directory" });
    (StatusCode::UNAUTHORIZED, Json(what)).into_response()
}
