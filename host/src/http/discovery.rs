//! `GET /.well-known/openid-configuration` and `GET /jwks`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::App;
use crate::protocol::discovery::{Discovery, JWKS_MAX_AGE, Served};

/// What a client library needs to know.
pub(super) async fn document(State(app): State<App>) -> Response {
    let login_hint_token_types = if app.flow.hint_issuers.is_empty() { Vec::new() } else { vec!["jwt".to_owned()] };
    let authorization_details_types = app.flow.details.names();
    let served = Served {
        issuer: &app.flow.issuer,
        mtls: app.flow.mtls.as_deref(),
        certificates: app.certificates,
        algorithms: app.flow.keys.algorithms(),
        registration: app.flow.registration.is_some(),
        login_hint_token_types: &login_hint_token_types,
        authorization_details_types: &authorization_details_types,
        acr_values: &app.flow.authenticators.order,
    };
    public(Json(Discovery::of(&served)))
}

/// What signatures are verified with.
pub(super) async fn jwks(State(app): State<App>) -> Response {
    let keys = app.flow.keys.jwks(app.flow.clock.now());
    // At the very first start keys are still being made. Nobody keeps a set that lacks one.
    let complete = keys.is_complete();
    let mut answer = public(Json(keys));
    if !complete {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

/// Public documents may be kept for a few minutes, and read by any page.
fn public(document: impl IntoResponse) -> Response {
    let kept = format!("public, max-age={JWKS_MAX_AGE}");
    ([(header::CACHE_CONTROL, kept.as_str()), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], document).into_response()
}
