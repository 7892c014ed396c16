//! How refusals look on the wire.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::flow::Refused;
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
    /// The client authenticated with the `Authorization` header, so that a 401 says which scheme it takes.
    challenge: bool,
    status: Option<StatusCode>,
}

impl Refusal {
    /// With a challenge, where the client used the header.
    pub(super) fn challenged(refused: impl Into<Refused>, challenge: bool) -> Self {
        Self { refused: refused.into(), challenge, status: None }
    }

    /// With another status than the code's own.
    pub(super) fn with_status(refused: impl Into<Refused>, status: StatusCode) -> Self {
        Self { refused: refused.into(), challenge: false, status: Some(status) }
    }
}

impl<R: Into<Refused>> From<R> for Refusal {
    fn from(refused: R) -> Self {
        Self { refused: refused.into(), challenge: false, status: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (error, after) = match self.refused {
            Refused::Protocol(error) => (error, None),
            Refused::Later { error, after } => (error, Some(after)),
            Refused::Store(StoreError::Overloaded { .. }) => return unavailable(),
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
            ErrorCode::TemporarilyUnavailable => Some(StatusCode::TOO_MANY_REQUESTS),
            code => StatusCode::from_u16(code.status()).ok(),
        };
        let status = self.status.or(own).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, [NO_STORE], Json(&error)).into_response();
        if let Some(after) = after {
            response.headers_mut().insert(header::RETRY_AFTER, after.into());
        }
        if error.code == ErrorCode::InvalidClient && self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ciba-host\""));
        }
        response
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
