//! `POST /hooks/v1/notify`: the same plugins for a provider that stands elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::App;
use super::peer::Peer;
use crate::flow::Refused;
use crate::protocol::client::{Client, UnverifiedCredential};
use crate::protocol::identifier::TransactionId;
use crate::runtime::{CallFailure, DeviceView, Hook as _, Notify, TransactionView, Urgency};

/// What the caller says of its request: the names of the WIT. All but the device may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyCall {
    transaction: OutsideTransaction,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutsideTransaction {
    /// The caller's own name for it; plugins see it, so it must redeem nothing.
    id: Option<String>,
    #[serde(alias = "client-id")]
    client_id: Option<String>,
    #[serde(alias = "client-name")]
    client_name: Option<String>,
    #[serde(alias = "user-id")]
    user_id: Option<String>,
    #[serde(alias = "user-name")]
    user_name: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(alias = "scopes-in-words")]
    scopes_in_words: Option<Vec<String>>,
    #[serde(alias = "binding-message")]
    binding_message: Option<String>,
    #[serde(alias = "expires-at")]
    expires_at: Option<u64>,
    locale: Option<String>,
    device: DeviceView,
}

/// How it ended.
#[derive(Serialize)]
struct NotifyAnswer {
    plugin: String,
    version: String,
    outcome: Value,
    micros: u64,
}

/// Runs the notify hook of whichever plugin serves the device's channel, and waits for it.
pub(super) async fn notify(State(app): State<App>, peer: Peer, headers: HeaderMap, body: Body) -> Response {
    match caller(&app, &peer, &headers).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let mut response = error(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "a bearer credential of a registered hook caller is required; see `ciba-host client add --hook-caller`",
            );
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        Err(Refused::Later { after, .. }) => {
            let what = "too many wrong credentials were shown: wait";
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", what);
            response.headers_mut().insert(header::RETRY_AFTER, after.into());
            return response;
        }
        Err(refused) => return super::answer::Refusal::from(refused).into_response(),
    }
    let NotifyCall { transaction } = match super::body::json(&headers, body).await {
        Ok(call) => call,
        Err((status, what)) => return error(status, "invalid_request", &what),
    };
    let catalog = app.flow.runtime.catalog();
    let channel = &transaction.device.channel;
    let id = transaction.id.map_or_else(|| TransactionId::new(app.flow.clock.now(), app.flow.random.bytes()), TransactionId);
    let turn = catalog.turn_to_notify(channel, id.as_str()).unwrap_or_default();
    let Some(version) = &turn.version else {
        let what = format!("no notify plugin is serving the channel `{}`", channel.escape_debug());
        return error(StatusCode::NOT_FOUND, "no_plugin", &what);
    };
    let view = TransactionView {
        id,
        client_id: transaction.client_id,
        client_name: transaction.client_name,
        user_id: transaction.user_id,
        user_name: transaction.user_name,
        scopes: transaction.scopes,
        scopes_in_words: transaction.scopes_in_words,
        binding_message: transaction.binding_message,
        expires_at: transaction.expires_at,
        locale: transaction.locale,
        device: Some(transaction.device),
        ..TransactionView::default()
    };
    let report = app.flow.runtime.ask(&turn, Notify { transaction: Arc::new(view) }, Urgency::ClientWaits).await;
    match report.map_or(Err(CallFailure::NoHook(Notify::NAME)), |report| report.result.map(|outcome| (outcome, report.took))) {
        Ok((outcome, took)) => Json(NotifyAnswer {
            plugin: version.name.to_string(),
            version: version.description.version.clone(),
            outcome: outcome.to_json(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        })
        .into_response(),
        Err(CallFailure::Busy(_)) => {
            let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "busy", "all places for calls are taken; try again");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Err(failure) => error(StatusCode::BAD_GATEWAY, "plugin_failed", &failure.to_string()),
    }
}

/// The hook caller whose credential this is: `Bearer CLIENT_ID.SECRET`.
async fn caller(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<Option<Client>, Refused> {
    let header = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let Some(credential) = UnverifiedCredential::read_bearer(header) else { return Ok(None) };
    app.flow.hook_caller(&credential, peer.address).await
}

fn error(status: StatusCode, code: &str, description: &str) -> Response {
    (status, Json(json!({ "error": code, "error_description": description }))).into_response()
}
