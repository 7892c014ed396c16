//! What an approved client gets (CIBA Core 10.1, OpenID Connect Core 2, RFC 9068).

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::added_claims::AddedClaims;
use super::algorithm::JwsAlgorithm;
use super::identifier::{Bearer, ClientId, Digest};
use super::transaction::Confirmation;

/// What every token says: who approved, when, and how that was verified. Flattened, which costs nothing where it is
/// written: there is no map in between.
#[derive(Serialize)]
pub struct ApprovalClaims<'a> {
    /// Issuer.
    pub iss: &'a str,
    /// Subject.
    pub sub: &'a str,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// When the person decided.
    pub auth_time: i64,
    /// What was verified when they did, never what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// By which methods (RFC 8176).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub amr: &'a [String],
}

/// The claims of an ID token.
#[derive(Serialize)]
pub struct IdTokenClaims<'a> {
    /// Of the approval.
    #[serde(flatten)]
    pub approval: ApprovalClaims<'a>,
    /// Audience: the client.
    pub aud: &'a ClientId,
    /// The left half of the access token's hash (OpenID Connect Core 3.1.3.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// CIBA Core 10.3.1: in push mode, the same of the refresh token.
    #[serde(rename = "urn:openid:params:jwt:claim:rt_hash", skip_serializing_if = "Option::is_none")]
    pub rt_hash: Option<String>,
    /// CIBA Core 10.3.1: in push mode, the request that this answers.
    #[serde(rename = "urn:openid:params:jwt:claim:auth_req_id", skip_serializing_if = "Option::is_none")]
    pub auth_req_id: Option<&'a str>,
    /// What plugins added: none of the above.
    #[serde(flatten)]
    pub added: &'a Map<String, Value>,
}

/// The claims of an access token that is a JWT (RFC 9068 2.2).
#[derive(Serialize)]
pub struct AccessTokenClaims<'a> {
    /// Of the approval.
    #[serde(flatten)]
    pub approval: ApprovalClaims<'a>,
    /// The resources it is for, or the issuer.
    pub aud: Value,
    /// Who got it.
    pub client_id: &'a str,
    /// By which it is known again.
    pub jti: &'a str,
    /// What was granted.
    pub scope: &'a str,
    /// What it is bound to (RFC 7800 3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<&'a Confirmation>,
    /// RFC 9396 9.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<&'a Value>,
    /// What plugins added: none of the above.
    #[serde(flatten)]
    pub added: &'a Map<String, Value>,
}

/// The successful answer of the token endpoint (RFC 6749 5.1).
pub struct TokenAnswer {
    /// Opaque, or a JWT.
    pub access_token: Bearer,
    /// `Bearer` or `DPoP`.
    pub token_type: &'static str,
    /// Lifetime of the access token in seconds.
    pub expires_in: u32,
    /// Where the client may refresh.
    pub refresh_token: Option<Bearer>,
    /// Signed, perhaps encrypted.
    pub id_token: Option<String>,
    /// What was granted.
    pub scope: String,
    /// What was granted in detail (RFC 9396 7).
    pub authorization_details: Option<Value>,
}

impl TokenAnswer {
    /// As JSON: the same for the token endpoint and for a push, which adds `auth_req_id`.
    pub fn to_json(&self, auth_req_id: Option<&str>) -> Value {
        let mut answer = json!({
            "access_token": self.access_token.reveal(),
            "token_type": self.token_type,
            "expires_in": self.expires_in,
            "scope": self.scope,
        });
        let optional = [
            ("refresh_token", self.refresh_token.as_ref().map(|token| json!(token.reveal()))),
            ("id_token", self.id_token.as_ref().map(|token| json!(token))),
            ("authorization_details", self.authorization_details.clone()),
            ("auth_req_id", auth_req_id.map(|id| json!(id))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                answer[name] = value;
            }
        }
        answer
    }
}

// Whoever reads one of them in a log could use it, or knows who somebody is.
impl std::fmt::Debug for ApprovalClaims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApprovalClaims(of {}, [redacted])", self.iss)
    }
}

impl std::fmt::Debug for IdTokenClaims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdTokenClaims(for {}, [redacted])", self.aud)
    }
}

impl std::fmt::Debug for AccessTokenClaims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessTokenClaims(for {}, [redacted])", self.client_id)
    }
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenAnswer({} for {} seconds, [redacted])", self.token_type, self.expires_in)
    }
}

/// RFC 9449 5: the type says whether a proof must come along.
pub fn token_type(confirmation: Option<&Confirmation>) -> &'static str {
    match confirmation {
        Some(Confirmation::Key(_)) => "DPoP",
        Some(Confirmation::Certificate(_)) | None => "Bearer",
    }
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
    /// Where it is less than what was granted.
    pub scope: Option<String>,
    /// What plugins added to it, and to the ID token that was made with it.
    pub claims: Option<AddedClaims>,
}

/// A refresh token, as it is kept.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// Digest of the token.
    pub digest: Digest,
    /// When the whole family ends.
    pub expires_at: Timestamp,
}

/// `at_hash` and its like: the left half of the token's hash, by the hash of the ID token's own signature (OpenID Connect
/// Core 3.1.3.6). Ed25519 uses SHA-512.
pub fn token_hash(algorithm: JwsAlgorithm, token: &str) -> String {
    let hash = match algorithm {
        JwsAlgorithm::EdDsa | JwsAlgorithm::Ed25519 => &SHA512,
        JwsAlgorithm::Es256 | JwsAlgorithm::Ps256 | JwsAlgorithm::Rs256 | JwsAlgorithm::Hs256 => &SHA256,
    };
    let hash = digest(hash, token.as_bytes());
    let bytes = hash.as_ref();
    BASE64_URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_token_is_shown() {
        let client = ClientId("shop".to_owned());
        let (iss, sub, scope, amr) = ("https://op.example", "secret", "openid secret", ["secret".to_owned()]);
        let approval = || ApprovalClaims { iss, sub, exp: 1, iat: 0, auth_time: 0, acr: Some("secret"), amr: &amr };
        let added = Map::from_iter([("groups".to_owned(), json!("secret"))]);
        let id_token = IdTokenClaims {
            approval: approval(),
            aud: &client,
            at_hash: Some("secret".to_owned()),
            rt_hash: Some("secret".to_owned()),
            auth_req_id: Some("secret"),
            added: &added,
        };
        let access_token = AccessTokenClaims {
            approval: approval(),
            aud: json!("secret"),
            client_id: "shop",
            jti: "secret",
            scope,
            cnf: Some(&Confirmation::Key("secret".to_owned())),
            authorization_details: Some(&json!(["secret"])),
            added: &added,
        };
        let answer = TokenAnswer {
            access_token: Bearer::of_text("secret".to_owned()),
            token_type: "Bearer",
            expires_in: 600,
            refresh_token: Some(Bearer::of_text("secret".to_owned())),
            id_token: Some("secret".to_owned()),
            scope: scope.to_owned(),
            authorization_details: Some(json!(["secret"])),
        };
        for shown in [format!("{:?}", approval()), format!("{id_token:?}"), format!("{access_token:?}"), format!("{answer:?}")] {
            assert!(shown.contains("[redacted]") && !shown.contains("secret"), "{shown}");
        }
    }
}
