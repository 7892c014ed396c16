//! What an approved client gets (CIBA Core 10.1 and 10.3, OpenID Connect Core 2, RFC 9068). Nothing here is stored or
//! sent: whoever mints stores first.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::interception::TokenChanges;
use super::{Flow, Refused};
use crate::jose::jwe;
use crate::protocol::GRANT_TYPE_REFRESH;
use crate::protocol::algorithm::{ContentEncryption, JwsAlgorithm};
use crate::protocol::client::{Client, TokenFormat};
use crate::protocol::identifier::{Bearer, Digest};
use crate::protocol::tokens::{
    AccessTokenClaims, ApprovalClaims, IdTokenClaims, NewAccessToken, NewGrant, NewRefreshToken, TokenAnswer, token_hash, token_type,
};
use crate::protocol::transaction::{Confirmation, Request};

/// `typ` of an access token that is a JWT (RFC 9068 2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// An access token that is a JWT cannot be taken back from resources that do not ask us, so it is short-lived.
const JWT_SECONDS_MAX: u32 = 600;

/// Tokens that were made and not yet stored.
#[derive(Debug)]
pub struct Minted {
    /// What the client is answered.
    pub answer: TokenAnswer,
    /// What is stored.
    pub grant: NewGrant,
}

/// An access token that was made and not yet stored.
pub(super) struct MintedAccess {
    pub(super) text: Bearer,
    pub(super) expires_in: u32,
    pub(super) stored: NewAccessToken,
}

/// What an ID token also speaks of in push mode (CIBA Core 10.3.1).
pub(super) struct Pushed<'a> {
    auth_req_id: &'a str,
    refresh_token: Option<&'a Bearer>,
}

impl Flow {
    /// Everything that an approved request gives, with what plugins change of it, bound to `confirmation`, the access token
    /// for `audience`. In push mode the ID token also says for which `auth_req_id` it is (CIBA Core 10.3.1).
    ///
    /// # Errors
    /// When a token cannot be signed; `unauthorized_client` when it cannot be encrypted for the client.
    pub async fn mint(
        &self,
        client: &Client,
        request: &Request,
        confirmation: Option<Confirmation>,
        audience: Vec<String>,
        changes: TokenChanges,
        pushed: Option<&str>,
    ) -> Result<Minted, Refused> {
        let now = self.clock.now();
        let particulars = request.particulars();
        let access = self.mint_access(client, request, confirmation, audience, &changes, now)?;
        let refreshes = client.metadata.allows(GRANT_TYPE_REFRESH) && !changes.no_refresh_token;
        let refresh = refreshes.then(|| Bearer::of_request(&request.transaction, self.random.bytes()));
        let pushed = pushed.map(|auth_req_id| Pushed { auth_req_id, refresh_token: refresh.as_ref() });
        let id_token = self.mint_id_token(client, request, &access.text, pushed, &changes, now).await?;
        let lifetime = SignedDuration::from_hours(24 * i64::from(self.tokens.refresh_days));
        let refresh_token = refresh.as_ref().map(|token| NewRefreshToken { digest: token.digest(), expires_at: now + lifetime });
        let answer = TokenAnswer {
            token_type: token_type(access.stored.confirmation.as_ref()),
            access_token: access.text,
            expires_in: access.expires_in,
            refresh_token: refresh,
            id_token: Some(id_token),
            scope: request.scope.clone(),
            authorization_details: particulars.authorization_details,
        };
        Ok(Minted { answer, grant: NewGrant { access_token: access.stored, refresh_token } })
    }

    /// An access token, opaque or a JWT. Either names its request, by which it is found again.
    pub(super) fn mint_access(
        &self,
        client: &Client,
        request: &Request,
        confirmation: Option<Confirmation>,
        audience: Vec<String>,
        changes: &TokenChanges,
        now: Timestamp,
    ) -> Result<MintedAccess, Refused> {
        let name = Bearer::of_request(&request.transaction, self.random.bytes());
        let seconds = self.ciba.access_token_expires_in.min(changes.access_token_within.unwrap_or(u32::MAX));
        let (text, digest, expires_in) = match client.metadata.access_token_format {
            TokenFormat::Opaque => {
                let digest = name.digest();
                (name, digest, seconds)
            }
            TokenFormat::Jwt => {
                let seconds = seconds.min(JWT_SECONDS_MAX);
                let sub = self.subjects.of(client, &request.user);
                let claims = AccessTokenClaims {
                    approval: self.approval_claims(request, &sub, seconds, now),
                    aud: if audience.is_empty() { json!(self.issuer) } else { json!(audience) },
                    client_id: client.id.as_str(),
                    jti: name.reveal(),
                    scope: &request.scope,
                    cnf: confirmation.as_ref(),
                    authorization_details: request.particulars.as_ref().and_then(|particulars| particulars.authorization_details.as_ref()),
                    added: &changes.claims.access_token,
                };
                let jwt = self.keys.sign(JwsAlgorithm::Es256, ACCESS_TOKEN_TYPE, &claims).map_err(internal)?;
                (Bearer::of_text(jwt), stored_as(name.reveal()), seconds)
            }
        };
        let expires_at = now + SignedDuration::from_secs(i64::from(expires_in));
        let claims = Some(&changes.claims).filter(|claims| !claims.is_empty()).cloned();
        Ok(MintedAccess { text, expires_in, stored: NewAccessToken { digest, expires_at, confirmation, audience, scope: None, claims } })
    }

    /// An ID token, signed and perhaps encrypted as the client registered. What the host says in it no plugin writes.
    pub(super) async fn mint_id_token(
        &self,
        client: &Client,
        request: &Request,
        access_token: &Bearer,
        pushed: Option<Pushed<'_>>,
        changes: &TokenChanges,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let metadata = &client.metadata;
        let algorithm = metadata.id_token_algorithm();
        let sub = self.subjects.of(client, &request.user);
        let claims = IdTokenClaims {
            approval: self.approval_claims(request, &sub, self.ciba.id_token_expires_in, now),
            aud: &client.id,
            at_hash: Some(token_hash(algorithm, access_token.reveal())),
            rt_hash: pushed.as_ref().and_then(|pushed| pushed.refresh_token).map(|token| token_hash(algorithm, token.reveal())),
            auth_req_id: pushed.as_ref().map(|pushed| pushed.auth_req_id),
            added: &changes.claims.id_token,
        };
        let jwt = self.keys.sign(algorithm, "JWT", &claims).map_err(internal)?;
        let Some((encryption, key)) = self.encryption_key(client).await? else { return Ok(jwt) };
        let content = metadata.id_token_encrypted_response_enc.unwrap_or(ContentEncryption::A256Gcm);
        jwe::encrypt(&jwt, &key, encryption, content, &self.random.bytes()).map_err(internal)
    }

    /// For a token that is good for so many seconds.
    fn approval_claims<'a>(&'a self, request: &'a Request, sub: &'a str, seconds: u32, now: Timestamp) -> ApprovalClaims<'a> {
        let evidence = request.evidence.as_ref();
        ApprovalClaims {
            iss: &self.issuer,
            sub,
            exp: now.as_second() + i64::from(seconds),
            iat: now.as_second(),
            auth_time: request.decided_at.unwrap_or(now).as_second(),
            acr: evidence.and_then(|evidence| evidence.acr.as_deref()),
            amr: evidence.map_or(&[], |evidence| &evidence.amr),
        }
    }
}

fn internal(error: anyhow::Error) -> Refused {
    Refused::Internal(format!("{error:#}"))
}

/// The name by which an access token that is a JWT is stored. A `jti` stands in logs of resources: it must not be the name
/// of an opaque token, which whoever reads it there could then use.
pub(super) fn stored_as(jti: &str) -> Digest {
    Digest::of(format!("jwt {jti}").as_bytes())
}
