//! Reading bodies: bounded in size and in time, and only of the type they must be.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use serde::de::DeserializeOwned;

use super::BODY_MAX;
use super::answer::Refusal;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// A form, with the headers it came with.
pub(super) struct FormBody {
    pub(super) headers: HeaderMap,
    pub(super) form: Form,
}

impl<S: Sync> FromRequest<S> for FormBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        if content_type(&parts.headers) != "application/x-www-form-urlencoded" {
            return Err(invalid("the Content-Type must be application/x-www-form-urlencoded").into());
        }
        let body = collect(body).await.map_err(|(status, what)| Refusal::with_status(invalid(&what), status))?;
        Ok(Self { headers: parts.headers, form: Form::parse(&body)? })
    }
}

/// A body that is JSON and holds a `T`, or the status and the words of what is wrong with it. Read only after the
/// credential was found good: strangers send nothing that is kept.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, (StatusCode, String)> {
    if content_type(headers) != "application/json" {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type must be application/json".to_owned()));
    }
    let body = collect(body).await?;
    serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// The media type alone, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The whole body, within its limits.
pub(super) async fn collect(body: Body) -> Result<Bytes, (StatusCode, String)> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_MAX} bytes")))
        }
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body broke off".to_owned())),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive".to_owned())),
    }
}

fn invalid(description: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}
