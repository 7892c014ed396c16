//! What is registered of a client: the names of RFC 7591, CIBA Core 4, RFC 8705, RFC 9449 and RFC 9396, and ours.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::algorithm::{ContentEncryption, JwsAlgorithm, KeyEncryption};

/// How tokens reach the client (CIBA Core 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// The client asks until there is an answer.
    #[default]
    Poll,
    /// The client is told when to ask.
    Ping,
    /// The client is sent the tokens.
    Push,
}

impl DeliveryMode {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Ping, Self::Push];

    /// As it goes over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Ping => "ping",
            Self::Push => "push",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// How a client proves who it is (OpenID Connect Core 9, RFC 8705 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// Identifier and secret in the `Authorization` header.
    #[default]
    ClientSecretBasic,
    /// Identifier and secret in the body.
    ClientSecretPost,
    /// An assertion under a MAC whose key is the secret.
    ClientSecretJwt,
    /// An assertion signed with a key of the client's.
    PrivateKeyJwt,
    /// A certificate from an authority that the operator trusts.
    TlsClientAuth,
    /// A certificate that is registered itself.
    SelfSignedTlsClientAuth,
}

impl AuthenticationMethod {
    /// Every one there is.
    pub const ALL: [Self; 6] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::ClientSecretJwt,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
    ];

    /// As it goes over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }

    /// Whether the client holds a secret that we gave it.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt)
    }

    /// Whether a certificate alone proves who it is.
    pub const fn is_mtls(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }
}

/// Whether the same person has the same `sub` everywhere (OpenID Connect Core 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// Everywhere.
    #[default]
    Public,
    /// Within one sector only.
    Pairwise,
}

/// What an access token looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    /// It says nothing; a resource asks us (RFC 7662).
    #[default]
    Opaque,
    /// A signed JWT (RFC 9068).
    Jwt,
}

/// The FAPI-CIBA profile a client keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FapiProfile {
    /// Implementer's Draft 1, on FAPI 1 Advanced.
    #[serde(rename = "fapi_ciba_id1")]
    Id1,
    /// The draft on FAPI 2.
    #[serde(rename = "fapi_ciba_fapi2")]
    Fapi2,
}

impl FapiProfile {
    /// Every one there is.
    pub const ALL: [Self; 2] = [Self::Id1, Self::Fapi2];

    /// As it is registered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id1 => "fapi_ciba_id1",
            Self::Fapi2 => "fapi_ciba_fapi2",
        }
    }
}

/// Everything registered of a client.
///
/// Members of RFC 7591 that only describe it (`contacts`, `logo_uri`…) and those that we do not know are not kept, as
/// RFC 7591 2 allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// The name shown to the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// How it proves who it is, at every endpoint.
    pub token_endpoint_auth_method: AuthenticationMethod,
    /// How its assertions are signed; any that we take where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<JwsAlgorithm>,
    /// Its public keys (RFC 7517 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its public keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// RFC 8705 2.1.2: exactly one of these five for `tls_client_auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// Its access tokens work only with its certificate (RFC 8705 3.4).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// It always proves possession of a key (RFC 9449 5.2).
    pub dpop_bound_access_tokens: bool,
    /// What it may redeem at the token endpoint.
    pub grant_types: Vec<String>,
    /// The scope values it may ask for, where not every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// CIBA Core 4.
    pub backchannel_token_delivery_mode: DeliveryMode,
    /// CIBA Core 4: for ping and push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_client_notification_endpoint: Option<String>,
    /// CIBA Core 4: it signs its requests, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_request_signing_alg: Option<JwsAlgorithm>,
    /// CIBA Core 4: the person has a code that it asks for.
    pub backchannel_user_code_parameter: bool,
    /// OpenID Connect Core 8.
    pub subject_type: SubjectType,
    /// OpenID Connect Core 8.1: what pairwise subjects are made for, in CIBA the host of `jwks_uri` or of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// How its ID tokens are signed; ES256 where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<JwsAlgorithm>,
    /// Its ID tokens are encrypted, and how the key reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyEncryption>,
    /// With which cipher; A256GCM where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// RFC 9396 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types: Vec<String>,

    /// Ours, from here on: the FAPI-CIBA profile it keeps to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fapi_profile: Option<FapiProfile>,
    /// What its access tokens look like.
    pub access_token_format: TokenFormat,
    /// Resources it may ask tokens for (RFC 8707), absolute URIs; any that the host knows where this is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Its polls may be held until there is news (CIBA Core 7.3).
    pub long_poll: bool,
    /// Seconds between two polls, where not the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// Lifetime of its requests in seconds, where not the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
    /// The longest lifetime it can ask for, where not the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_max: Option<u32>,
    /// It always sends a binding message.
    pub binding_message_required: bool,
    /// The longest binding message in characters, where not the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_message_characters: Option<u32>,
    /// A regular expression that the whole binding message matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_message_pattern: Option<String>,
    /// A new request for the same person ends the one that waits.
    pub supersede: bool,
    /// A request that reaches nobody ends at once.
    pub fail_fast: bool,
    /// Refresh tokens stay the same.
    pub keep_refresh_token: bool,
    /// The least authentication context it takes, out of the operator's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr_minimum: Option<String>,
}

impl ClientMetadata {
    /// Whether it may use this grant.
    pub fn allows(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|allowed| allowed == grant_type)
    }

    /// How its ID tokens are signed.
    pub fn id_token_algorithm(&self) -> JwsAlgorithm {
        self.id_token_signed_response_alg.unwrap_or(JwsAlgorithm::Es256)
    }
}
