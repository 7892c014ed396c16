//! Everything a client can be told instead of an answer: a closed list.

use std::borrow::Cow;

use serde::Serialize;

/// One code of the wire, with its HTTP status and the sentence that goes with it unless a better one is known.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $status:literal, $sentence:literal;)*) => {
        /// The error codes of the specifications we follow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it goes over the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $wire,)* } }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            /// What it means, for `error_description`.
            pub const fn sentence(self) -> &'static str { match self { $(Self::$name => $sentence,)* } }
        }
    };
}

codes! {
    /// RFC 6749 5.2, CIBA Core 13.
    InvalidRequest = "invalid_request", 400, "The request is missing a parameter, repeats one, or has one that is malformed.";
    /// RFC 6749 5.2, CIBA Core 13.
    InvalidScope = "invalid_scope", 400, "The scope must contain openid, and nothing that this client may not ask for.";
    /// CIBA Core 13.
    ExpiredLoginHintToken = "expired_login_hint_token", 400, "The login_hint_token has expired.";
    /// CIBA Core 13.
    UnknownUserId = "unknown_user_id", 400, "No user is known by this hint.";
    /// RFC 6749 5.2, CIBA Core 13.
    UnauthorizedClient = "unauthorized_client", 400, "This client may not use this grant or delivery mode.";
    /// CIBA Core 13.
    MissingUserCode = "missing_user_code", 400, "The user_code parameter is required.";
    /// CIBA Core 13.
    InvalidUserCode = "invalid_user_code", 400, "The user_code is not right.";
    /// CIBA Core 13.
    InvalidBindingMessage = "invalid_binding_message", 400, "The binding_message cannot be shown.";
    /// RFC 6749 5.2: with `WWW-Authenticate` where the client used the header.
    InvalidClient = "invalid_client", 401, "Client authentication failed.";
    /// CIBA Core 11 and 13: 400 at the token endpoint, 403 at the backchannel authentication endpoint.
    AccessDenied = "access_denied", 400, "The request was denied.";
    /// RFC 6749 5.2.
    InvalidGrant = "invalid_grant", 400, "The auth_req_id is unknown, was issued to another client, or was used before.";
    /// RFC 6749 5.2.
    UnsupportedGrantType = "unsupported_grant_type", 400, "This grant type is not supported here.";
    /// CIBA Core 11.
    AuthorizationPending = "authorization_pending", 400, "The user has not decided yet.";
    /// CIBA Core 11.
    SlowDown = "slow_down", 400, "Polled too early: wait five seconds longer from now on.";
    /// CIBA Core 11.
    ExpiredToken = "expired_token", 400, "The auth_req_id has expired: start again.";
    /// CIBA Core 12, in push mode only.
    TransactionFailed = "transaction_failed", 400, "The person could not be reached, or the tokens could not be made.";
    /// RFC 9449 5.
    InvalidDpopProof = "invalid_dpop_proof", 400, "The DPoP proof cannot be used.";
    /// RFC 9449 8.
    UseDpopNonce = "use_dpop_nonce", 400, "The DPoP proof needs the nonce that comes with this answer.";
    /// RFC 6750 3.1.
    InvalidToken = "invalid_token", 401, "The access token is unknown, expired, revoked, or bound to something else than was shown.";
    /// RFC 6750 3.1.
    InsufficientScope = "insufficient_scope", 403, "The access token does not cover this.";
    /// RFC 7591 3.2.2.
    InvalidClientMetadata = "invalid_client_metadata", 400, "The client's metadata cannot be used.";
    /// RFC 6749 4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type", 400, "There is no authorization endpoint here that a browser could use.";
    /// RFC 9396 5.
    InvalidAuthorizationDetails = "invalid_authorization_details", 400, "The authorization_details cannot be used.";
    /// RFC 8707 2.
    InvalidTarget = "invalid_target", 400, "The resource is not known here.";
    /// OpenID Connect Core 3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported", 400, "request_uri is not supported.";
    /// RFC 6749 4.1.2.1, used here with `Retry-After`.
    TemporarilyUnavailable = "temporarily_unavailable", 503, "Too busy or too broken to answer now: try again later.";
}

/// An error as the client sees it (RFC 6749 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct ProtocolError {
    /// The code.
    #[serde(rename = "error", serialize_with = "code_on_the_wire")]
    pub code: ErrorCode,
    /// What is wrong and what was expected, in the ASCII that RFC 6749 allows.
    #[serde(rename = "error_description")]
    pub description: Cow<'static, str>,
}

pub(super) fn code_on_the_wire<S: serde::Serializer>(code: &ErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl ProtocolError {
    /// An error with a sentence of its own. What the RFC forbids in a description becomes `?`.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        let description: String = description
            .into()
            .chars()
            .map(|c| match c {
                '"' => '\'',
                '\\' => '/',
                ' '..='~' => c,
                _ => '?',
            })
            .collect();
        Self { code, description: description.into() }
    }
}

impl From<ErrorCode> for ProtocolError {
    fn from(code: ErrorCode) -> Self {
        Self { code, description: Cow::Borrowed(code.sentence()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_keeps_to_the_ascii_that_rfc_6749_allows() {
        for code in ErrorCode::ALL {
            let sentence = code.sentence();
            assert_eq!(ProtocolError::new(*code, sentence).description, sentence, "{}", code.as_str());
        }
    }

    #[test]
    fn a_description_never_carries_what_the_rfc_forbids() {
        let error = ProtocolError::new(ErrorCode::InvalidRequest, "a \"quoted\" back\\slash\nand \u{202e}more");
        assert_eq!(error.description, "a 'quoted' back/slash?and ?more");
    }
}
