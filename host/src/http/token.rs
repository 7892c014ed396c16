//! `POST /token`, `/introspect` and `/revoke`: the token endpoint with the CIBA and refresh grants (CIBA Core 10.1), and
//! what clients may ask about tokens and take back (RFC 7662, RFC 7009).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse as _, Response};

use super::App;
use super::answer::{NO_STORE, Refusal};
use super::body::FormBody;
use super::client;
use super::peer::Peer;
use crate::protocol::discovery::path;

/// Who asks, what they hold, and their tokens or why not yet.
pub(super) async fn redeem(State(app): State<App>, peer: Peer, FormBody { headers, form }: FormBody) -> Result<Response, Refusal> {
    let client = client::client(&app, &headers, &form, &peer).await?;
    let holder = client::holder(&app, &headers, &peer, ("POST", path::TOKEN), None).await?;
    let tokens = app.flow.token(&client, &form, &holder).await?;
    let nonce = AppendHeaders(client::next_nonce(&app, &headers));
    Ok(([NO_STORE], nonce, Json(tokens.to_json(None))).into_response())
}

/// What a token is.
pub(super) async fn introspect(State(app): State<App>, peer: Peer, FormBody { headers, form }: FormBody) -> Result<Response, Refusal> {
    let client = client::client(&app, &headers, &form, &peer).await?;
    Ok(([NO_STORE], Json(app.flow.introspect(&client, &form).await?)).into_response())
}

/// A token is taken back, whether it was there or not.
pub(super) async fn revoke(State(app): State<App>, peer: Peer, FormBody { headers, form }: FormBody) -> Result<Response, Refusal> {
    let client = client::client(&app, &headers, &form, &peer).await?;
    app.flow.revoke(&client, &form).await?;
    Ok((StatusCode::OK, [NO_STORE]).into_response())
}
