//! The discovery document (OpenID Connect Discovery 1.0, CIBA Core 4).

use serde::Serialize;

use super::GRANT_TYPE_CIBA;

/// How long the discovery document and the JWKS may be kept by whoever fetched them, in seconds.
pub const JWKS_MAX_AGE: u32 = 300;

/// Paths of the endpoints below the issuer.
pub mod path {
    /// OpenID Connect Discovery 4.
    pub const DISCOVERY: &str = "/.well-known/openid-configuration";
    /// The JSON Web Key Set.
    pub const JWKS: &str = "/jwks";
    /// The backchannel authentication endpoint (CIBA Core 7).
    pub const BACKCHANNEL_AUTHENTICATION: &str = "/bc-authorize";
    /// The token endpoint.
    pub const TOKEN: &str = "/token";
}

/// What a client library needs to know. It says what is served, and nothing else.
#[derive(Debug, Serialize)]
pub struct Discovery {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    backchannel_authentication_endpoint: String,
    backchannel_token_delivery_modes_supported: [&'static str; 1],
    backchannel_user_code_parameter_supported: bool,
    grant_types_supported: [&'static str; 1],
    response_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    scopes_supported: [&'static str; 1],
    claims_supported: [&'static str; 6],
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
}

impl Discovery {
    /// The document of `issuer`, which has no trailing slash.
    pub fn of(issuer: &str) -> Self {
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: at(path::JWKS),
            token_endpoint: at(path::TOKEN),
            backchannel_authentication_endpoint: at(path::BACKCHANNEL_AUTHENTICATION),
            backchannel_token_delivery_modes_supported: ["poll"],
            backchannel_user_code_parameter_supported: false,
            grant_types_supported: [GRANT_TYPE_CIBA],
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["ES256"],
            token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
            scopes_supported: ["openid"],
            claims_supported: ["iss", "sub", "aud", "exp", "iat", "auth_time"],
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
        }
    }
}
