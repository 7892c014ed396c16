//! Whom a hint names (CIBA Core 7.1).

use serde_json::{Map, Value};

use super::hint_issuers::HintIssuer;
use super::{Flow, Refused};
use crate::jose::UnverifiedJws;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::backchannel::Hint;
use crate::protocol::claims::Claims;
use crate::protocol::client::Client;
use crate::protocol::hint::{self, Named, refused_id_token, refused_login_token};
use crate::protocol::identifier::UserId;
use crate::protocol::transaction::Request;
use crate::protocol::user::{User, normal_hint};
use crate::runtime::{HintKind, Resolution};
use crate::store::Parties;

/// Whom a request is for.
pub(super) struct Found {
    /// Who they are; nobody, where no user is known by the hint.
    pub(super) user: Option<User>,
    /// Under what the request is kept. Requests for nobody have names of their own, one for each hint, so that whatever is
    /// counted or replaced by user is so for them too.
    pub(super) id: UserId,
}

impl Flow {
    /// Finds the user whom `request`, which has none yet, is for. That a hint names nobody is not an error here.
    ///
    /// # Errors
    /// The hint cannot be used, or a plugin that was asked about it failed.
    pub(super) async fn find_user(&self, client: &Client, hint: &Hint, request: &Request, parties: &Parties) -> Result<Found, Refused> {
        // What the host makes of it counts where no plugin knows such hints; until then it may be a fault.
        let (named, resolution) = match hint {
            // Only we know what stands in it.
            Hint::IdToken(token) => (self.named_by_id_token(client, token)?, Resolution::NotMine),
            Hint::Login(text) => {
                let resolution = self.resolve_hint(request, parties, HintKind::LoginHint, || text.clone()).await?;
                (Named::By(normal_hint(text)), resolution)
            }
            Hint::LoginToken(token) => {
                let (claims, issuer) = self.verified_login_token(token).await?;
                let resolution = self.resolve_hint(request, parties, HintKind::LoginHintToken, || json(&claims)).await?;
                match hint::named(Claims(&claims), issuer.subject(), &self.issuer) {
                    Ok(named) => (named, resolution),
                    Err(error) if resolution == Resolution::NotMine => return Err(error.into()),
                    Err(_) => (Named::By(hint::lasting(&claims)), resolution),
                }
            }
        };
        let (named, user) = match resolution {
            Resolution::NotMine => {
                let user = match &named {
                    Named::By(hint) => self.store.user_by_hint(hint).await?,
                    Named::User(id) => self.store.user(id).await?,
                };
                (named, user)
            }
            Resolution::Person(person) => {
                let hint = normal_hint(&person);
                // Both, so that it takes as long for whoever is not known.
                let (by_hint, by_id) = (self.store.user_by_hint(&hint).await?, self.store.user(&UserId(person)).await?);
                (Named::By(hint), by_hint.or(by_id))
            }
            Resolution::Nobody => (named, None),
        };
        let id = user.as_ref().map_or_else(|| self.nobodies.of(named.as_str()), |user| user.id.clone());
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

    /// The claims of a token of an issuer that the operator trusts with this.
    async fn verified_login_token(&self, token: &str) -> Result<(Map<String, Value>, &HintIssuer), Refused> {
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
        hint::login_token(Claims(claims), jws.header().typ.as_deref(), &self.issuer, now)?;
        Ok((claims.clone(), issuer))
    }
}

fn json(claims: &Map<String, Value>) -> String {
    serde_json::to_string(claims).unwrap_or_default()
}
