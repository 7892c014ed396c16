//! The tokens that are sent in push mode (CIBA Core 10.3.1).

use jiff::SignedDuration;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Flow, Refused};
use crate::protocol::client::Client;
use crate::protocol::identifier::Bearer;
use crate::protocol::tokens::{IdTokenClaims, NewAccessToken, NewGrant, access_token_hash};
use crate::protocol::transaction::Request;

/// The claims of an ID token that is pushed: it also says what was asked, because nobody asked for it just now.
#[derive(Serialize)]
struct PushedClaims<'a> {
    #[serde(flatten)]
    usual: IdTokenClaims<'a>,
    #[serde(rename = "urn:openid:params:jwt:claim:auth_req_id")]
    auth_req_id: &'a str,
}

/// The body of a push that brings tokens.
#[derive(Serialize)]
struct Pushed<'a> {
    auth_req_id: &'a str,
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
    id_token: &'a str,
    scope: &'a str,
}

impl Flow {
    /// What is stored, and what is sent.
    ///
    /// # Errors
    /// When no ID token can be signed.
    pub(super) fn mint_push(
        &self,
        client: &Client,
        request: &Request,
        auth_req_id: &str,
    ) -> Result<(NewGrant, Zeroizing<Vec<u8>>), Refused> {
        let now = self.clock.now();
        let access_token = Bearer::of_request(&request.transaction, self.random.bytes());
        let usual = IdTokenClaims {
            iss: &self.issuer,
            sub: &request.user,
            aud: &client.id,
            exp: now.as_second() + i64::from(self.ciba.id_token_expires_in),
            iat: now.as_second(),
            auth_time: request.decided_at.unwrap_or(now).as_second(),
            at_hash: access_token_hash(&access_token),
        };
        let claims = PushedClaims { usual, auth_req_id };
        let internal = |error: &dyn std::fmt::Display| Refused::Internal(error.to_string());
        let id_token = self.keys.sign(client.metadata.id_token_algorithm(), "JWT", &claims).map_err(|error| internal(&error))?;
        let expires_in = self.ciba.access_token_expires_in;
        let body = Pushed {
            auth_req_id,
            access_token: access_token.reveal(),
            token_type: "Bearer",
            expires_in,
            id_token: &id_token,
            scope: &request.scope,
        };
        let body = serde_json::to_vec(&body).map_err(|error| internal(&error))?;
        let expires_at = now + SignedDuration::from_secs(i64::from(expires_in));
        let access_token = NewAccessToken { digest: access_token.digest(), expires_at, confirmation: None, audience: Vec::new() };
        Ok((NewGrant { access_token, refresh_token: None }, Zeroizing::new(body)))
    }
}
