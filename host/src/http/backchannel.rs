//! `POST /bc-authorize`: the backchannel authentication endpoint (CIBA Core 7).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde::Serialize;

use super::App;
use super::answer::{NO_STORE, Refusal};
use super::body::FormBody;
use super::client;
use super::peer::Peer;
use crate::protocol::discovery::path;
use crate::protocol::error::ErrorCode;

/// The acknowledgement (CIBA Core 7.3).
#[derive(Serialize)]
struct Acknowledgement<'a> {
    auth_req_id: &'a str,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u32>,
}

/// Who asks, what they ask, and the acknowledgement.
pub(super) async fn authenticate(State(app): State<App>, peer: Peer, FormBody { headers, form }: FormBody) -> Result<Response, Refusal> {
    let client = client::client(&app, &headers, &form, &peer).await?;
    let holder = client::holder(&app, &headers, &peer, ("POST", path::BACKCHANNEL_AUTHENTICATION), None).await?;
    let started = app.flow.start(&client, &form, &holder).await.map_err(forbidden)?;
    let nonce = AppendHeaders(client::next_nonce(&app, &headers));
    let acknowledgement =
        Acknowledgement { auth_req_id: started.auth_req_id.reveal(), expires_in: started.expires_in, interval: started.interval };
    Ok(([NO_STORE], nonce, Json(acknowledgement)).into_response())
}

/// `access_denied` is 403 here, and 400 at the token endpoint (CIBA Core 13).
fn forbidden(refused: crate::flow::Refused) -> Refusal {
    match refused {
        crate::flow::Refused::Protocol(error) if error.code == ErrorCode::AccessDenied => {
            Refusal::with_status(error, StatusCode::FORBIDDEN)
        }
        refused => refused.into(),
    }
}
