//! What access tokens open here: `GET /userinfo` (OpenID Connect Core 5.3) and `GET /resource`, a resource for
//! demonstrations and conformance tests. And `/authorize`, where there is nothing for a browser.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde_json::json;

use super::App;
use super::answer::{NO_STORE, Refusal};
use super::client;
use super::peer::Peer;
use crate::protocol::discovery::path;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::store::Grant;

/// FAPI 1 Baseline 6.2.1, number 11.
const INTERACTION: HeaderName = HeaderName::from_static("x-fapi-interaction-id");
/// The longest interaction id that is sent back, in bytes.
const INTERACTION_LENGTH_MAX: usize = 128;

/// Claims about the person.
pub(super) async fn user_info(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    not_in_address(&uri)?;
    let grant = granted(&app, &headers, &peer, (method.as_str(), path::USER_INFO)).await?;
    let claims = app.flow.user_info(&grant).await?;
    Ok(([NO_STORE], AppendHeaders(client::next_nonce(&app, &headers)), Json(claims)).into_response())
}

/// Says for whom the token is, and by whom it was got. hyper adds `Date`.
pub(super) async fn resource(State(app): State<App>, method: Method, uri: Uri, peer: Peer, headers: HeaderMap) -> Response {
    let interaction = interaction(&app, &headers);
    let answered = match not_in_address(&uri) {
        Ok(()) => granted(&app, &headers, &peer, (method.as_str(), path::RESOURCE)).await,
        Err(error) => Err(error.into()),
    };
    let mut response = match answered {
        Ok(grant) => {
            let what = json!({ "client_id": grant.request.client, "scope": grant.request.scope });
            ([NO_STORE], AppendHeaders(client::next_nonce(&app, &headers)), Json(what)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(INTERACTION, interaction);
    response
}

/// RFC 6749 4.1.2.1: no redirect, because nothing of what was sent is known to be a client's.
pub(super) async fn authorize() -> Refusal {
    ErrorCode::UnsupportedResponseType.into()
}

/// RFC 6750 2.3: a token in the address ends in logs.
fn not_in_address(uri: &Uri) -> Result<(), ProtocolError> {
    let named = |query: &str| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token");
    if uri.query().is_some_and(named) {
        let what = "an access token belongs into the Authorization header, not into the address";
        return Err(ProtocolError::new(ErrorCode::InvalidRequest, what));
    }
    Ok(())
}

/// The grant whose access token came along.
async fn granted(app: &App, headers: &HeaderMap, peer: &Peer, asked: (&str, &str)) -> Result<Grant, Refusal> {
    let (scheme, token) = presented(headers).map_err(|error| Refusal::at_resource(error, None))?;
    let by_dpop = scheme.eq_ignore_ascii_case("dpop");
    let at_resource = |refused| Refusal::at_resource(refused, Some(by_dpop));
    // The token first: that a proof was used is written down, and strangers cause no writes.
    let grant = app.flow.access(token, by_dpop).await.map_err(at_resource)?;
    let holder =
        client::holder(app, headers, peer, asked, by_dpop.then_some(token)).await.map_err(|refusal| refusal.for_resource(by_dpop))?;
    app.flow.opens(&grant, &holder).await.map_err(at_resource)?;
    Ok(grant)
}

/// Scheme and token of the `Authorization` header (RFC 6750 2.1, RFC 9449 7.1).
fn presented(headers: &HeaderMap) -> Result<(&str, &str), ProtocolError> {
    let missing = || ProtocolError::new(ErrorCode::InvalidToken, "an access token is required, in the Authorization header");
    let value = client::authorization(headers)?.and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    let known = ["bearer", "dpop"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if known { Ok((scheme, token.trim())) } else { Err(missing()) }
}

/// The caller's interaction id, or one of ours: a UUID, which is what FAPI says it is.
fn interaction(app: &App, headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(INTERACTION).filter(|value| value.len() <= INTERACTION_LENGTH_MAX && value.to_str().is_ok());
    given.cloned().unwrap_or_else(|| {
        let made = uuid(app.flow.random.bytes());
        HeaderValue::try_from(made).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// RFC 9562 5.4: version 4 in the 7th byte, the variant in the 9th, all else random.
fn uuid(random: [u8; 16]) -> String {
    let number = u128::from_be_bytes(random) & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62;
    let [first, second, third, fourth] = [number >> 96, number >> 80 & 0xffff, number >> 64 & 0xffff, number >> 48 & 0xffff];
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{:012x}", number & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interaction_id_of_ours_is_a_uuid_of_version_4() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let counted = std::array::from_fn(|index| u8::try_from(index).unwrap_or_default());
        assert_eq!(uuid(counted), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }
}
