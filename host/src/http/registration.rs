//! `POST /register`, and `GET`, `PUT`, `DELETE /register/{client_id}`: clients register and manage themselves (RFC 7591,
//! RFC 7592).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::App;
use super::answer::{NO_STORE, Refusal, not_found};
use super::peer::Peer;
use crate::config::Registration;
use crate::flow::registration::Registered;
use crate::protocol::client::Client;
use crate::protocol::discovery::path;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::ClientId;

/// Registers a client.
pub(super) async fn register(State(app): State<App>, peer: Peer, headers: HeaderMap, body: Body) -> Response {
    let Some(policy) = served(&app) else { return not_found().await };
    let answer = async {
        app.flow.limits.knock(peer.address, app.flow.clock.now())?;
        let admission = app.flow.may_register(&policy, bearer(&headers)?).await?;
        let registered = app.flow.register(&policy, members(&headers, body).await?, admission).await?;
        let mut shown = shown(&app, registered);
        shown.insert("client_id_issued_at".to_owned(), app.flow.clock.now().as_second().into());
        Ok::<_, Refusal>((StatusCode::CREATED, [NO_STORE], Json(shown)).into_response())
    };
    answer.await.unwrap_or_else(|refusal| challenged(&headers, refusal))
}

/// What is registered of a client.
pub(super) async fn read(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if served(&app).is_none() {
        return not_found().await;
    }
    let answer = async {
        let client = app.flow.managed(&ClientId(id), bearer(&headers)?).await?;
        Ok::<_, Refusal>(answer(&app, &headers, Registered { client, secret: None, token: None }))
    };
    answer.await.unwrap_or_else(|refusal| challenged(&headers, refusal))
}

/// Replaces it.
pub(super) async fn change(State(app): State<App>, peer: Peer, Path(id): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let Some(policy) = served(&app) else { return not_found().await };
    let answer = async {
        let client = knocked(&app, &peer, id, &headers).await?;
        let changed = app.flow.change_registration(&policy, client, members(&headers, body).await?).await?;
        Ok::<_, Refusal>(answer(&app, &headers, changed))
    };
    answer.await.unwrap_or_else(|refusal| challenged(&headers, refusal))
}

/// Removes the client.
pub(super) async fn remove(State(app): State<App>, peer: Peer, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if served(&app).is_none() {
        return not_found().await;
    }
    let answer = async {
        let client = knocked(&app, &peer, id, &headers).await?;
        app.flow.unregister(&client).await?;
        Ok::<_, Refusal>((StatusCode::NO_CONTENT, [NO_STORE]).into_response())
    };
    answer.await.unwrap_or_else(|refusal| challenged(&headers, refusal))
}

/// The client that wants to change or go, before anything is read of what it wants. Both leave something behind, like a
/// registration.
async fn knocked(app: &App, peer: &Peer, id: String, headers: &HeaderMap) -> Result<Client, Refusal> {
    let now = app.flow.clock.now();
    app.flow.limits.knock(peer.address, now)?;
    let client = app.flow.managed(&ClientId(id), bearer(headers)?).await?;
    app.flow.limits.change(&client.id, now)?;
    Ok(client)
}

/// Who may register, where anybody may.
fn served(app: &App) -> Option<Registration> {
    app.flow.registration.clone()
}

/// RFC 6750 2.1.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ProtocolError> {
    let sent = super::client::authorization(headers)?.and_then(|value| value.to_str().ok()?.split_once(' '));
    Ok(sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim()))
}

async fn members(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refusal> {
    let wrong = |(status, what): (StatusCode, String)| {
        Refusal::with_status(
            ProtocolError::new(ErrorCode::InvalidClientMetadata, format!("the body is not an object in JSON: {what}")),
            status,
        )
    };
    super::body::json(headers, body).await.map_err(wrong)
}

/// The answer to a client that showed its registration access token, which is still the same.
fn answer(app: &App, headers: &HeaderMap, registered: Registered) -> Response {
    let mut shown = shown(app, registered);
    shown.insert("registration_access_token".to_owned(), bearer(headers).ok().flatten().unwrap_or_default().into());
    ([NO_STORE], Json(shown)).into_response()
}

/// RFC 7591 3.2.1, RFC 7592 3: everything as it is kept. A secret is shown when it is made, because we do not know it later.
fn shown(app: &App, Registered { client, secret, token }: Registered) -> Map<String, Value> {
    let Client { id, metadata, .. } = client;
    let mut shown = match serde_json::to_value(&*metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let uri = format!("{}{}/{id}", app.flow.issuer, path::REGISTRATION);
    shown.insert("client_id".to_owned(), json!(id));
    shown.insert("registration_client_uri".to_owned(), uri.into());
    shown.insert("response_types".to_owned(), json!([]));
    if let Some(token) = token {
        shown.insert("registration_access_token".to_owned(), token.reveal().into());
    }
    if let Some(secret) = secret {
        shown.insert("client_secret".to_owned(), secret.reveal().into());
        // It does not expire.
        shown.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    shown
}

/// RFC 6750 3: whoever lacks a token is told which kind is meant, and what was wrong only where one was sent (3.1).
fn challenged(headers: &HeaderMap, refusal: impl Into<Refusal>) -> Response {
    let mut response = refusal.into().into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let sent = headers.contains_key(header::AUTHORIZATION);
        let challenge = HeaderValue::from_static(if sent { "Bearer error=\"invalid_token\"" } else { "Bearer" });
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
