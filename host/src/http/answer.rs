//! How refusals look on the wire.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::client;
use crate::flow::Refused;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::store::StoreError;

/// Seconds after which an overloaded or broken host may be asked again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// What must never be kept by anybody on the way (RFC 6749 5.1).
pub(super) const NO_STORE: (header::HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// A refusal on its way to a client.
#[derive(Debug)]
pub(super) struct Refusal {
    refused: Refused,
    /// What a 401 says of the schemes that are taken.
    challenge: Challenge,
    status: Option<StatusCode>,
}

/// Which schemes a refusal names in `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    None,
    /// The client authenticated with the `Authorization` header (RFC 6749 5.2).
    Basic,
    /// A protected resource (RFC 6750 3). Without a token nothing is said of what is wrong with it.
    Bearer {
        presented: bool,
    },
    /// The same for a token that came with a proof (RFC 9449 7.1).
    Dpop,
}

impl Refusal {
    /// With a challenge, where the client used the header.
    pub(super) fn challenged(refused: impl Into<Refused>, challenge: bool) -> Self {
        Self { refused: refused.into(), challenge: if challenge { Challenge::Basic } else { Challenge::None }, status: None }
    }

    /// At a protected resource; `by_dpop` says under which scheme the token came, if one did.
    pub(super) fn at_resource(refused: impl Into<Refused>, by_dpop: Option<bool>) -> Self {
        let challenge = if by_dpop == Some(true) { Challenge::Dpop } else { Challenge::Bearer { presented: by_dpop.is_some() } };
        Self { refused: refused.into(), challenge, status: None }
    }

    /// The same refusal at a protected resource: a proof that cannot be used is a token that cannot be used.
    pub(super) fn for_resource(self, by_dpop: bool) -> Self {
        Self { status: Some(StatusCode::UNAUTHORIZED), ..Self::at_resource(self.refused, Some(by_dpop)) }
    }

    /// With another status than the code's own.
    pub(super) fn with_status(refused: impl Into<Refused>, status: StatusCode) -> Self {
        Self { refused: refused.into(), challenge: Challenge::None, status: Some(status) }
    }
}

impl<R: Into<Refused>> From<R> for Refusal {
    fn from(refused: R) -> Self {
        Self { refused: refused.into(), challenge: Challenge::None, status: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (mut nonce, mut after) = (None, None);
        let error = match self.refused {
            Refused::Protocol(error) => error,
            Refused::Nonce(next) => {
                nonce = client::nonce(&next);
                ErrorCode::UseDpopNonce.into()
            }
            Refused::Later { error, after: seconds } => {
                after = Some((header::RETRY_AFTER, HeaderValue::from(seconds)));
                error
            }
            Refused::Busy | Refused::Plugin | Refused::Store(StoreError::Overloaded { .. }) => return unavailable(),
            // Nothing a client sends leads here; it is ours to mend.
            Refused::Store(error) => {
                tracing::error!(%error, "the store failed.  do: look at the disk and at the database");
                return unavailable();
            }
            Refused::Internal(error) => {
                tracing::error!(%error, "an answer could not be made");
                return unavailable();
            }
        };
        let own = match error.code {
            // Not 503: nothing is wrong here, and nobody on the way should think so (RFC 6585 4).
            ErrorCode::TemporarilyUnavailable if after.is_some() => Ok(StatusCode::TOO_MANY_REQUESTS),
            code => StatusCode::from_u16(code.status()),
        };
        let status = self.status.or(own.ok()).unwrap_or(StatusCode::BAD_REQUEST);
        let challenge = self.challenge.to_header(&error).map(|value| (header::WWW_AUTHENTICATE, value));
        let mut response = (status, [NO_STORE], Json(&error)).into_response();
        response.headers_mut().extend([nonce, challenge, after].into_iter().flatten());
        // For whoever counts.
        response.extensions_mut().insert(error.code);
        response
    }
}

impl Challenge {
    fn to_header(self, error: &ProtocolError) -> Option<HeaderValue> {
        match self {
            Self::Basic if error.code == ErrorCode::InvalidClient => Some(HeaderValue::from_static("Basic realm=\"ciba-host\"")),
            Self::Bearer { presented: false } => Some(HeaderValue::from_static("Bearer realm=\"ciba-host\"")),
            Self::Bearer { presented: true } => {
                HeaderValue::try_from(format!("Bearer realm=\"ciba-host\", error=\"{}\"", error.code.as_str())).ok()
            }
            Self::Dpop => {
                let algorithms = JwsAlgorithm::ASYMMETRIC.map(JwsAlgorithm::as_str).join(" ");
                HeaderValue::try_from(format!("DPoP error=\"{}\", algs=\"{algorithms}\"", error.code.as_str())).ok()
            }
            Self::None | Self::Basic => None,
        }
    }
}

fn unavailable() -> Response {
    let error = ProtocolError::from(ErrorCode::TemporarilyUnavailable);
    (StatusCode::SERVICE_UNAVAILABLE, [NO_STORE, (header::RETRY_AFTER, RETRY_AFTER)], Json(error)).into_response()
}

/// No such address.
pub(super) async fn not_found() -> Response {
    let what = json!({ "error": "not_found", "error_description": "there is nothing at this address" });
    (StatusCode::NOT_FOUND, Json(what)).into_response()
}

/// The address is there, and does not do this. axum adds `Allow`.
pub(super) async fn method_not_allowed() -> Response {
    let what = json!({ "error": "method_not_allowed", "error_description": "this address takes another method, see Allow" });
    (StatusCode::METHOD_NOT_ALLOWED, Json(what)).into_response()
}
