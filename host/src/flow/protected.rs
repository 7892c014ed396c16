//! Access tokens at work: at our own resources (UserInfo, OpenID Connect Core 5.3), and asked about by others (RFC 7662).

use serde_json::{Map, Value, json};

use super::{Flow, Refused};
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::holder::Holder;
use crate::protocol::tokens::token_type;
use crate::protocol::transaction::Confirmation;
use crate::store::{Grant, RefreshGrant, StoreError};

impl Flow {
    /// What this access token gives at our own resources to whoever holds what it is bound to, which is asked after this
    /// ([`Flow::opens`]). `by_dpop` says that it came under the scheme `DPoP` (RFC 9449 7.1).
    ///
    /// # Errors
    /// `invalid_token` when it does not work here, or not under this scheme.
    pub async fn access(&self, token: &str, by_dpop: bool) -> Result<Grant, Refused> {
        let unknown = "the access token is unknown, expired or revoked";
        let (transaction, name) = self.token_name(token).ok_or_else(|| refused(unknown))?;
        let grant = self.store.grant(&transaction, &name, self.clock.now()).await?.ok_or_else(|| refused(unknown))?;
        match &grant.confirmation {
            Some(Confirmation::Key(_)) if !by_dpop => {
                return Err(refused("the access token is bound to a key: use the scheme DPoP, with a proof"));
            }
            Some(Confirmation::Certificate(_)) | None if by_dpop => {
                return Err(refused("the access token is not bound to a key: use the scheme Bearer"));
            }
            _ => {}
        }
        // RFC 8707: a token for other resources is not for us.
        let ours = |resource: &String| resource.strip_prefix(&self.issuer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !grant.audience.is_empty() && !grant.audience.iter().any(ours) {
            return Err(refused("the access token is for other resources"));
        }
        Ok(grant)
    }

    /// Whether this is who may use the token of the grant (RFC 8705 3, RFC 9449 7).
    ///
    /// # Errors
    /// `invalid_token` when it is bound to something else than was shown, or the proof is not one that a profile takes.
    pub async fn opens(&self, grant: &Grant, holder: &Holder) -> Result<(), Refused> {
        if !holder.holds(grant.confirmation.as_ref()) {
            return Err(refused("the access token is bound to another key or certificate than was shown"));
        }
        // A key of RSA signs in two ways, of which a profile takes one. Only then is the client looked up.
        let Some(proof) = holder.proof.filter(|proof| !JwsAlgorithm::FAPI_PROOFS.contains(proof)) else { return Ok(()) };
        match self.registered(&grant.request.client).await? {
            Some(client) if client.metadata.fapi_profile.is_none() => Ok(()),
            _ => Err(refused(&format!("the proof must not be signed in {proof} (fapi_profile)"))),
        }
    }

    /// What is said of the person to a client with this grant (OpenID Connect Core 5.3.2 and 5.4).
    ///
    /// # Errors
    /// When the client or the person is gone, or the store cannot answer.
    pub async fn user_info(&self, grant: &Grant) -> Result<Value, Refused> {
        let gone = || Refused::from(ErrorCode::InvalidToken);
        let client = self.registered(&grant.request.client).await?.ok_or_else(gone)?;
        let user = self.store.user(&grant.request.user).await?.ok_or_else(gone)?;
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), self.subjects.of(&client, &user.id).into());
        let scopes: Vec<&str> = grant.request.scope.split(' ').collect();
        if scopes.contains(&"profile") {
            claims.insert("name".to_owned(), user.name.into());
            claims.insert("preferred_username".to_owned(), user.username.into());
            if let Some(locale) = user.locale {
                claims.insert("locale".to_owned(), locale.into());
            }
        }
        if let Some(email) = user.email.filter(|_| scopes.contains(&"email")) {
            claims.insert("email".to_owned(), email.into());
        }
        if let Some(phone) = user.phone.filter(|_| scopes.contains(&"phone")) {
            claims.insert("phone_number".to_owned(), phone.into());
        }
        claims.extend(grant.claims.id_token.clone());
        Ok(Value::Object(claims))
    }

    /// What a token is, for the client that got it or for a resource that it is for (RFC 7662 2.2). Of any other token it
    /// is only said that it is not active.
    ///
    /// # Errors
    /// When no token is named, or the store cannot answer.
    pub async fn introspect(&self, asks: &Client, form: &Form) -> Result<Value, Refused> {
        let text = form.required("token", super::refresh::TOKEN_LENGTH_MAX)?;
        let inactive = || Ok(json!({ "active": false }));
        let Some((transaction, name)) = self.token_name(text) else { return inactive() };
        let now = self.clock.now();
        if let Some(grant) = self.store.grant(&transaction, &name, now).await? {
            // What a client says of itself makes it no resource.
            let vouched = asks.is_vouched_for();
            let is_for = vouched && grant.audience.iter().any(|resource| asks.metadata.resources.contains(resource));
            if grant.request.client != asks.id && !is_for {
                return inactive();
            }
            let Some(described) = self.described(&grant).await? else { return inactive() };
            return Ok(self.shape_introspection(&grant.request, asks, described).await?.unwrap_or_else(|| json!({ "active": false })));
        }
        match self.store.refresh_grant(&transaction, &name, now).await? {
            Some(RefreshGrant { request, expires_at, passed: false }) if request.client == asks.id => Ok(json!({
                "active": true,
                "client_id": request.client,
                "scope": request.scope,
                "exp": expires_at.as_second(),
                "sub": self.subjects.of(asks, &request.user),
                "iss": self.issuer,
            })),
            _ => inactive(),
        }
    }

    async fn described(&self, grant: &Grant) -> Result<Option<Value>, StoreError> {
        let request = &grant.request;
        let Some(client) = self.registered(&request.client).await? else { return Ok(None) };
        let mut described = json!({
            "active": true,
            "iss": self.issuer,
            "client_id": request.client,
            "sub": self.subjects.of(&client, &request.user),
            "scope": request.scope,
            "token_type": token_type(grant.confirmation.as_ref()),
            "iat": grant.issued_at.as_second(),
            "exp": grant.expires_at.as_second(),
            "aud": if grant.audience.is_empty() { json!(self.issuer) } else { json!(grant.audience) },
            "auth_time": request.decided_at.unwrap_or(request.created_at).as_second(),
        });
        let evidence = request.evidence.clone().unwrap_or_default();
        let optional = [
            ("cnf", grant.confirmation.as_ref().map(|confirmation| json!(confirmation))),
            ("acr", evidence.acr.map(Value::from)),
            ("amr", (!evidence.amr.is_empty()).then(|| json!(evidence.amr))),
            ("authorization_details", request.particulars().authorization_details),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                described[name] = value;
            }
        }
        for (name, value) in &grant.claims.access_token {
            described[name] = value.clone();
        }
        Ok(Some(described))
    }
}

fn refused(what: &str) -> Refused {
    ProtocolError::new(ErrorCode::InvalidToken, what).into()
}
