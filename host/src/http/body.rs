//! Reading bodies: bounded in size and in time, and only of the type they must be.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

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
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("the Content-Type must be application/x-www-form-urlencoded").into());
        }
        let body = tokio::time::timeout(PATIENCE, Limited::new(body, BODY_MAX).collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
                return Err(Refusal::with_status(
                    invalid(&format!("the body is longer than {BODY_MAX} bytes")),
                    StatusCode::PAYLOAD_TOO_LARGE,
                ));
            }
            Ok(Err(_)) => return Err(invalid("the body broke off").into()),
            Err(_) => return Err(Refusal::with_status(invalid("the body took too long to arrive"), StatusCode::REQUEST_TIMEOUT)),
        };
        Ok(Self { headers: parts.headers, form: Form::parse(&body)? })
    }
}

fn invalid(description: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, description)
}
