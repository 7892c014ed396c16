//! A client refreshes (RFC 6749 6, OpenID Connect Core 12), and takes tokens back (RFC 7009).

use std::collections::BTreeSet;

use super::interception::TokenChanges;
use super::mint::stored_as;
use super::redeem::audience;
use super::tally::Happened;
use super::{Flow, Refused};
use crate::jose::UnverifiedJws;
use crate::protocol::claims::Claims;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::holder::Holder;
use crate::protocol::identifier::{Bearer, Digest, TransactionId, UnverifiedBearer};
use crate::protocol::tokens::{TokenAnswer, token_type};
use crate::runtime::Occasion;
use crate::store::{Refresh, Refreshed};

/// How long a token can be before it is not looked up, in bytes.
pub(super) const TOKEN_LENGTH_MAX: usize = 8 << 10;

impl Flow {
    /// New tokens for a refresh token of this client. It is bound to the client by its authentication, not to a key or
    /// certificate (RFC 8705 7.1, RFC 9449 5): those of a confidential client may change.
    pub(super) async fn refresh(&self, client: &Client, form: &Form, holder: &Holder) -> Result<TokenAnswer, Refused> {
        let presented = UnverifiedBearer::read(form.required("refresh_token", TOKEN_LENGTH_MAX)?);
        let confirmation = holder.confirmation(&client.metadata)?;
        let now = self.clock.now();
        let unknown = || ProtocolError::new(ErrorCode::InvalidGrant, "the refresh token is unknown, expired, revoked, or another client's");
        let found = self.store.refresh_grant(&presented.transaction, &presented.digest, now).await?;
        let found = found.filter(|found| found.request.client == client.id).ok_or_else(unknown)?;
        let mut request = found.request;
        let narrowed = narrow(&mut request.scope, form)?;
        let audience = audience(client, form, &request)?;
        // Whoever comes with what another has taken the place of gets nothing, whatever a plugin would say.
        let changes = if found.passed { Some(TokenChanges::default()) } else { self.issue_tokens(&request, Occasion::Refresh).await? };
        let Some(changes) = changes else {
            self.store.revoke_grant(&request.transaction).await?;
            return Err(ErrorCode::AccessDenied.into());
        };
        let now = self.clock.now();
        let mut access = self.mint_access(client, &request, confirmation, audience, &changes, now)?;
        access.stored.scope = narrowed.then(|| request.scope.clone());
        let id_token = self.mint_id_token(client, &request, &access.text, None, &changes, now).await?;
        // FAPI 2 Security Profile 5.3.2.1 (9) forbids rotation, which gains nothing where the client proves itself each time.
        let rotates = client.metadata.fapi_profile.is_none() && !client.metadata.keep_refresh_token && !changes.no_refresh_token;
        let next = rotates.then(|| Bearer::of_request(&request.transaction, self.random.bytes()));
        let token_type = token_type(access.stored.confirmation.as_ref());
        let refresh = Refresh {
            transaction: request.transaction.clone(),
            presented: presented.digest,
            access_token: access.stored,
            next: next.as_ref().map(Bearer::digest),
            last: changes.no_refresh_token,
        };
        match self.store.refresh(refresh, now).await? {
            Refreshed::Done => self.tally.count(Happened::Refreshed),
            Refreshed::Unknown => return Err(unknown().into()),
            Refreshed::Stolen => {
                tracing::warn!(transaction = %request.transaction, client = %client.id, "a refresh token was used after another had taken its place; everything it gave is revoked.  do: find out who else has it");
                return Err(unknown().into());
            }
        }
        Ok(TokenAnswer {
            access_token: access.text,
            token_type,
            expires_in: access.expires_in,
            refresh_token: next,
            id_token: Some(id_token),
            authorization_details: request.particulars().authorization_details,
            scope: request.scope,
        })
    }

    /// Takes back a token of this client (RFC 7009 2.1). A refresh token takes everything with it that its approval gave.
    /// Of a token that is unknown or somebody else's nothing is said.
    ///
    /// # Errors
    /// When no token is named, or the store cannot answer.
    pub async fn revoke(&self, client: &Client, form: &Form) -> Result<(), Refused> {
        let text = form.required("token", TOKEN_LENGTH_MAX)?;
        let Some((transaction, digest)) = self.token_name(text) else { return Ok(()) };
        let now = self.clock.now();
        if let Some(grant) = self.store.grant(&transaction, &digest, now).await? {
            if grant.request.client == client.id {
                self.store.revoke_access_token(&transaction, &digest).await?;
            }
        } else if let Some(family) = self.store.refresh_grant(&transaction, &digest, now).await?
            && family.request.client == client.id
        {
            self.store.revoke_grant(&transaction).await?;
        }
        Ok(())
    }

    /// By which request and name a token is stored: one that is a JWT by the `jti` in it, if it is ours.
    pub(super) fn token_name(&self, text: &str) -> Option<(TransactionId, Digest)> {
        if text.matches('.').count() != 2 {
            let opaque = UnverifiedBearer::read(text);
            return Some((opaque.transaction, opaque.digest));
        }
        let jws = UnverifiedJws::parse(text).ok()?;
        let is_access_token = jws.header().typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt"));
        let claims = self.keys.verify_own(&jws).ok().filter(|_| is_access_token)?;
        let jti = Claims(claims).text("jti").ok()?;
        Some((UnverifiedBearer::read(jti).transaction, stored_as(jti)))
    }
}

/// `scope` of a refresh may be less than what was granted, never more (RFC 6749 6). Whether one was asked for.
fn narrow(granted: &mut String, form: &Form) -> Result<bool, Refused> {
    let Some(asked) = form.bounded("scope", 1024)? else { return Ok(false) };
    let mut seen = BTreeSet::new();
    let asked: Vec<&str> = asked.split(' ').filter(|value| !value.is_empty() && seen.insert(*value)).collect();
    if let Some(more) = asked.iter().find(|value| !granted.split(' ').any(|known| known == **value)) {
        return Err(ProtocolError::new(ErrorCode::InvalidScope, format!("{more} was not granted")).into());
    }
    if !asked.contains(&"openid") {
        return Err(ProtocolError::new(ErrorCode::InvalidScope, "scope must contain openid").into());
    }
    *granted = asked.join(" ");
    Ok(true)
}
