//! What a client is told in ping and push mode (CIBA Core 10.2 and 10.3).

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::error::ErrorCode;

/// What a client is to be told with. It is kept encrypted, and only as long as it is needed.
#[derive(Serialize, Deserialize)]
pub struct ToNotify {
    /// What the client knows the request by.
    pub auth_req_id: String,
    /// `client_notification_token`: the bearer token by which the client knows us (CIBA Core 7.1).
    pub client_notification_token: String,
}

impl Drop for ToNotify {
    fn drop(&mut self) {
        self.auth_req_id.zeroize();
        self.client_notification_token.zeroize();
    }
}

impl std::fmt::Debug for ToNotify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToNotify([redacted])")
    }
}

/// The body of a ping (CIBA Core 10.2): nothing but this.
#[derive(Serialize)]
pub struct Ping<'a> {
    /// What the client knows the request by.
    pub auth_req_id: &'a str,
}

/// The body of a push that brings no tokens (CIBA Core 12).
#[derive(Serialize)]
pub struct PushError<'a> {
    /// `access_denied`, `expired_token` or `transaction_failed`.
    #[serde(serialize_with = "super::error::code_on_the_wire")]
    pub error: ErrorCode,
    /// What it means.
    pub error_description: &'a str,
    /// What the client knows the request by.
    pub auth_req_id: &'a str,
}
