//! The discovery document (OpenID Connect Discovery 1.0, CIBA Core 4).

use serde::Serialize;

use super::algorithm::{ContentEncryption, JwsAlgorithm, KeyEncryption};
use super::client::{AuthenticationMethod, DeliveryMode, SubjectType};
use super::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH};

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
    /// UserInfo (OpenID Connect Core 5.3).
    pub const USER_INFO: &str = "/userinfo";
    /// Token introspection (RFC 7662).
    pub const INTROSPECTION: &str = "/introspect";
    /// Token revocation (RFC 7009).
    pub const REVOCATION: &str = "/revoke";
    /// The client registration endpoint (RFC 7591), below which clients manage themselves (RFC 7592).
    pub const REGISTRATION: &str = "/register";
    /// Published because profiles ask for it; no browser can do anything there.
    pub const AUTHORIZATION: &str = "/authorize";
    /// A resource for demonstrations and conformance tests.
    pub const RESOURCE: &str = "/resource";
}

/// What is served here, as far as it depends on the configuration.
#[derive(Debug)]
pub struct Served<'a> {
    /// The issuer, without a trailing slash.
    pub issuer: &'a str,
    /// The base under which certificates are asked for (RFC 8705 5).
    pub mtls: Option<&'a str>,
    /// Whether certificates of clients are seen: under that base, or because a proxy shows them to us (RFC 9440).
    pub certificates: bool,
    /// What tokens are signed with.
    pub algorithms: &'a [JwsAlgorithm],
    /// Where clients register themselves.
    pub registration: bool,
    /// Whether a `login_hint_token` is read, and of which kinds.
    pub login_hint_token_types: &'a [String],
    /// Types of `authorization_details` (RFC 9396 10).
    pub authorization_details_types: &'a [String],
    /// Authentication contexts, as the operator lists them.
    pub acr_values: &'a [String],
}

/// What a client library needs to know (OpenID Connect Discovery 3, RFC 8414 2). It says what is served, and nothing else.
#[derive(Debug, Serialize)]
pub struct Discovery<'a> {
    issuer: &'a str,
    jwks_uri: String,
    authorization_endpoint: String,
    #[serde(flatten)]
    endpoints: Endpoints,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtls_endpoint_aliases: Option<Endpoints>,
    backchannel_token_delivery_modes_supported: [&'static str; 3],
    backchannel_authentication_request_signing_alg_values_supported: [JwsAlgorithm; 5],
    backchannel_user_code_parameter_supported: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    backchannel_endpoint_login_hint_token_types_supported: &'a [String],
    grant_types_supported: [&'static str; 2],
    response_types_supported: [&'static str; 0],
    subject_types_supported: [SubjectType; 2],
    id_token_signing_alg_values_supported: &'a [JwsAlgorithm],
    id_token_encryption_alg_values_supported: &'static [KeyEncryption],
    id_token_encryption_enc_values_supported: &'static [ContentEncryption],
    token_endpoint_auth_methods_supported: Vec<AuthenticationMethod>,
    token_endpoint_auth_signing_alg_values_supported: &'static [JwsAlgorithm],
    introspection_endpoint_auth_methods_supported: Vec<AuthenticationMethod>,
    introspection_endpoint_auth_signing_alg_values_supported: &'static [JwsAlgorithm],
    revocation_endpoint_auth_methods_supported: Vec<AuthenticationMethod>,
    revocation_endpoint_auth_signing_alg_values_supported: &'static [JwsAlgorithm],
    dpop_signing_alg_values_supported: [JwsAlgorithm; 5],
    tls_client_certificate_bound_access_tokens: bool,
    scopes_supported: [&'static str; 5],
    claims_supported: [&'static str; 13],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    acr_values_supported: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authorization_details_types_supported: &'a [String],
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
}

/// The endpoints that clients call, which may have a second address for those that show a certificate.
#[derive(Debug, Serialize)]
struct Endpoints {
    token_endpoint: String,
    backchannel_authentication_endpoint: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
}

impl Endpoints {
    fn at(base: &str, registration: bool) -> Self {
        let at = |path: &str| format!("{base}{path}");
        Self {
            token_endpoint: at(path::TOKEN),
            backchannel_authentication_endpoint: at(path::BACKCHANNEL_AUTHENTICATION),
            userinfo_endpoint: at(path::USER_INFO),
            introspection_endpoint: at(path::INTROSPECTION),
            revocation_endpoint: at(path::REVOCATION),
            registration_endpoint: registration.then(|| at(path::REGISTRATION)),
        }
    }
}

impl<'a> Discovery<'a> {
    /// The document of this host.
    pub fn of(served: &Served<'a>) -> Self {
        let methods: Vec<_> = AuthenticationMethod::ALL.into_iter().filter(|method| served.certificates || !method.is_mtls()).collect();
        Self {
            issuer: served.issuer,
            jwks_uri: format!("{}{}", served.issuer, path::JWKS),
            authorization_endpoint: format!("{}{}", served.issuer, path::AUTHORIZATION),
            endpoints: Endpoints::at(served.issuer, served.registration),
            mtls_endpoint_aliases: served.mtls.map(|base| Endpoints::at(base, served.registration)),
            backchannel_token_delivery_modes_supported: DeliveryMode::ALL.map(DeliveryMode::as_str),
            backchannel_authentication_request_signing_alg_values_supported: JwsAlgorithm::ASYMMETRIC,
            backchannel_user_code_parameter_supported: true,
            backchannel_endpoint_login_hint_token_types_supported: served.login_hint_token_types,
            grant_types_supported: [GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH],
            response_types_supported: [],
            subject_types_supported: [SubjectType::Public, SubjectType::Pairwise],
            id_token_signing_alg_values_supported: served.algorithms,
            id_token_encryption_alg_values_supported: KeyEncryption::ALL,
            id_token_encryption_enc_values_supported: ContentEncryption::ALL,
            introspection_endpoint_auth_methods_supported: methods.clone(),
            revocation_endpoint_auth_methods_supported: methods.clone(),
            token_endpoint_auth_methods_supported: methods,
            // RFC 8414 2: must stand there where assertions are taken, at each endpoint for itself.
            introspection_endpoint_auth_signing_alg_values_supported: JwsAlgorithm::ALL,
            revocation_endpoint_auth_signing_alg_values_supported: JwsAlgorithm::ALL,
            token_endpoint_auth_signing_alg_values_supported: JwsAlgorithm::ALL,
            dpop_signing_alg_values_supported: JwsAlgorithm::ASYMMETRIC,
            tls_client_certificate_bound_access_tokens: served.certificates,
            scopes_supported: ["openid", "profile", "email", "phone", "offline_access"],
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "amr",
                "name",
                "preferred_username",
                "locale",
                "email",
                "phone_number",
            ],
            acr_values_supported: served.acr_values,
            authorization_details_types_supported: served.authorization_details_types,
            request_parameter_supported: true,
            request_uri_parameter_supported: false,
        }
    }
}
