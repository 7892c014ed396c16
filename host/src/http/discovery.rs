//! `GET /.well-known/openid-configuration` and `GET /jwks`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::protocol::discovery::Discovery;

/// What a client library needs to know.
pub(super) async fn document(State(app): State<App>) -> Response {
    public(Json(Discovery::of(&app.flow.issuer)))
}

/// What signatures are verified with.
pub(super) async fn jwks(State(app): State<App>) -> Response {
    public(Json(app.flow.key.jwks()))
}

/// Public documents may be kept for a few minutes, and read by any page.
fn public(document: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], document).into_response()
}
