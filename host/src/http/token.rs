//! `POST /token`: the token endpoint, with the CIBA grant (CIBA Core 10.1).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::answer::{NO_STORE, Refusal};
use super::body::FormBody;
use super::peer::Peer;
use crate::protocol::client::UnverifiedCredential;
use crate::protocol::tokens::TokenAnswer;

/// Who asks, and their tokens or why not yet.
pub(super) async fn redeem(State(app): State<App>, peer: Peer, FormBody { headers, form }: FormBody) -> Result<Response, Refusal> {
    let credential = UnverifiedCredential::read(headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()), &form)
        .map_err(|error| Refusal::challenged(error, headers.contains_key(header::AUTHORIZATION)))?;
    let authenticated = app.flow.authenticate_client(&credential, peer.address).await;
    let client = authenticated.map_err(|refused| Refusal::challenged(refused, credential.in_header))?;
    let tokens = app.flow.poll(&client, &form).await?;
    let answer = TokenAnswer {
        access_token: tokens.access_token.reveal(),
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        id_token: &tokens.id_token,
        scope: &tokens.scope,
    };
    Ok(([NO_STORE], Json(answer)).into_response())
}
