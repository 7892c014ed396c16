//! What an approved client gets (CIBA Core 10.1, OpenID Connect Core 2).

use jiff::Timestamp;
use serde::Serialize;

use super::identifier::{Bearer, ClientId, Digest, UserId};
use super::transaction::Confirmation;

/// The claims of an ID token.
///
/// There is no `acr` and no `amr`: they are computed from verified evidence, and there is none yet. They are
/// never the string that was asked for.
#[derive(Debug, Serialize)]
pub struct IdTokenClaims<'a> {
    /// Issuer.
    pub iss: &'a str,
    /// Subject.
    pub sub: &'a UserId,
    /// Audience: the client.
    pub aud: &'a ClientId,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// When the person decided.
    pub auth_time: i64,
    /// The left half of the access token's hash (OpenID Connect Core 3.1.3.6).
    pub at_hash: String,
}

/// The successful answer of the token endpoint.
#[derive(Serialize)]
pub struct TokenAnswer<'a> {
    /// Opaque; 256 random bits.
    pub access_token: &'a str,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Lifetime of the access token in seconds.
    pub expires_in: u32,
    /// The signed ID token.
    pub id_token: &'a str,
    /// What was granted.
    pub scope: &'a str,
}

/// What is stored when tokens are handed out.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The access token.
    pub access_token: NewAccessToken,
    /// The refresh token, where the client gets one.
    pub refresh_token: Option<NewRefreshToken>,
}

/// An access token, as it is kept.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// Digest of the token, or of the `jti` where it is a JWT.
    pub digest: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it is bound to.
    pub confirmation: Option<Confirmation>,
    /// The resources it is for; empty means the host itself.
    pub audience: Vec<String>,
}

/// A refresh token, as it is kept.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// Digest of the token.
    pub digest: Digest,
    /// When the whole family ends.
    pub expires_at: Timestamp,
}

/// `at_hash`: the left half of SHA-256 of the access token, base64url.
pub fn access_token_hash(access_token: &Bearer) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.encode(&access_token.digest().0[..16])
}
