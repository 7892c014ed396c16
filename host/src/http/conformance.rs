//! `POST /conformance/decide`: a conformance suite answers for the person (`[conformance]` in the configuration).

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::App;
use super::answer::Refusal;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::transaction::Decision;

/// What the suite says, in the address.
#[derive(Deserialize)]
pub(super) struct Said {
    auth_req_id: String,
    action: String,
}

/// Decides, and answers with nothing.
pub(super) async fn decide(
    State(app): State<App>,
    said: Result<Query<Said>, axum::extract::rejection::QueryRejection>,
) -> Result<StatusCode, Refusal> {
    let wrong =
        || ProtocolError::new(ErrorCode::InvalidRequest, "auth_req_id and action=allow or action=deny are required, in the address");
    let Query(said) = said.map_err(|_| wrong())?;
    let decision = match said.action.as_str() {
        "allow" => Decision::Approve,
        "deny" => Decision::Deny,
        _ => return Err(wrong().into()),
    };
    app.flow.decide_automatically(&said.auth_req_id, decision).await?;
    Ok(StatusCode::NO_CONTENT)
}
