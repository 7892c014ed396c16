//! Who sends a request, and what they hold: the same at every endpoint.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::App;
use super::answer::Refusal;
use super::peer::Peer;
use crate::flow::dpop::Presented;
use crate::protocol::client::{Client, UnverifiedCredential};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::holder::Holder;

/// RFC 9449 4.1 and 8.
const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The client that sent this form.
pub(super) async fn client(app: &App, headers: &HeaderMap, form: &Form, peer: &Peer) -> Result<Client, Refusal> {
    let authorization = authorization(headers)?.map(HeaderValue::as_bytes);
    let credential =
        UnverifiedCredential::read(authorization, form).map_err(|error| Refusal::challenged(error, authorization.is_some()))?;
    let authenticated = app.flow.authenticate_client(&credential, peer.certificate.as_deref(), peer.address).await;
    authenticated.map_err(|refused| Refusal::challenged(refused, credential.in_header))
}

/// The `Authorization` header. Its value is no list (RFC 9110 5.3, 11.6.2), so that of two nobody knows which is meant.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>, ProtocolError> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    match (sent.next(), sent.next()) {
        (one, None) => Ok(one),
        _ => Err(ProtocolError::new(ErrorCode::InvalidRequest, "there is more than one Authorization header")),
    }
}

/// What the sender of this request proves to hold.
pub(super) async fn holder(
    app: &App,
    headers: &HeaderMap,
    peer: &Peer,
    (method, path): (&str, &str),
    access_token: Option<&str>,
) -> Result<Holder, Refusal> {
    let proofs: Vec<&[u8]> = headers.get_all(DPOP).iter().map(HeaderValue::as_bytes).collect();
    let (key, proof) = app.flow.dpop(&Presented { proofs: &proofs, method, path, access_token }).await?.unzip();
    Ok(Holder { certificate: peer.certificate.as_ref().map(|certificate| certificate.x5t_s256()), key, proof })
}

/// The nonce for the client's next proof, where it sent one (RFC 9449 8.2).
pub(super) fn next_nonce(app: &App, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    let nonce = headers.contains_key(DPOP).then(|| app.flow.nonces.now(app.flow.clock.now()))?;
    Some((DPOP_NONCE, HeaderValue::try_from(nonce).ok()?))
}

/// A nonce on its way to a client whose proof had none.
pub(super) fn nonce(text: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((DPOP_NONCE, HeaderValue::try_from(text).ok()?))
}
