//! Whom a hint names (CIBA Core 7.1).

use super::{Flow, Refused};
use crate::jose::UnverifiedJws;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::backchannel::Hint;
use crate::protocol::claims::Claims;
use crate::protocol::client::Client;
use crate::protocol::hint::{self, Named, refused_id_token, refused_login_token};
use crate::protocol::identifier::UserId;
use crate::protocol::user::User;

/// Whom a request is for.
pub(super) struct Found {
    /// Who they are; nobody, where no user is known by the hint.
    pub(super) user: Option<User>,
    /// Under what the request is kept. Requests for nobody have names of their own, one for each hint, so that whatever is
    /// counted or replaced by user is so for them too.
    pub(super) id: UserId,
}

impl Flow {
    /// Finds the user. That a hint names nobody is not an error here.
    pub(super) async fn find_user(&self, client: &Client, hint: &Hint) -> Result<Found, Refused> {
        let named = match hint {
            Hint::Login(hint) => Named::By(hint.clone()),
            Hint::IdToken(token) => self.named_by_id_token(client, token)?,
            Hint::LoginToken(token) => self.named_by_login_token(token).await?,
        };
        let user = match &named {
            Named::By(hint) => self.store.user_by_hint(hint).await?,
            Named::User(id) => self.store.user(id).await?,
        };
        let id = user.as_ref().map_or_else(
            || match &named {
                Named::By(hint) => self.nobodies.of(hint),
                Named::User(id) => self.nobodies.of(id.as_str()),
            },
            |user| user.id.clone(),
        );
        Ok(Found { user, id })
    }

    /// An ID token that we gave to this client, also one whose key has been retired since.
    fn named_by_id_token(&self, client: &Client, token: &str) -> Result<Named, Refused> {
        let jws = UnverifiedJws::parse(token).map_err(refused_id_token)?;
        let claims = self.keys.verify_own(&jws).map_err(refused_id_token)?;
        let typ = jws.header().typ.as_deref();
        let sub = hint::id_token(Claims(claims), typ, &client.id, &self.issuer, self.ciba.id_token_hint_days, self.clock.now())?;
        Ok(Named::User(self.subjects.read(client, sub).ok_or_else(|| refused_id_token("its sub is not one of this client's"))?))
    }

    /// A token of an issuer that the operator trusts with this.
    async fn named_by_login_token(&self, token: &str) -> Result<Named, Refused> {
        if self.hint_issuers.is_empty() {
            return Err(refused_login_token("no issuer of such tokens is known here; use login_hint").into());
        }
        let jws = UnverifiedJws::parse(token).map_err(refused_login_token)?;
        let issuer = Claims(jws.claims()).text("iss").map_err(refused_login_token)?;
        let issuer = self.hint_issuers.named(issuer).ok_or_else(|| refused_login_token("its issuer is not known here"))?;
        let now = self.clock.now();
        let keys = issuer.keys(&self.callbacks, &self.clock).await.map_err(refused_login_token)?;
        let claims = match jws.verify(&keys, &JwsAlgorithm::ASYMMETRIC) {
            Err(fault) if fault.new_keys_may_help() => match issuer.newer_keys(&keys, &self.callbacks, &self.clock).await {
                Some(newer) => jws.verify(&newer, &JwsAlgorithm::ASYMMETRIC),
                None => Err(fault),
            },
            verified => verified,
        };
        let claims = claims.map_err(refused_login_token)?;
        Ok(hint::login_token(Claims(claims), jws.header().typ.as_deref(), issuer.subject(), &self.issuer, now)?)
    }
}
