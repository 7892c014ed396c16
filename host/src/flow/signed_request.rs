//! A request that comes as a signed request object (CIBA Core 7.1.1, RFC 9101).

use serde_json::{Map, Value};

use super::{Flow, Refused};
use crate::jose::UnverifiedJws;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::claims::Claims;
use crate::protocol::client::Client;
use crate::protocol::form::Form;
use crate::protocol::request_object::{self, Identity, refused};

/// A request object that the client signed, and that keeps every rule.
pub(super) struct Signed {
    /// The request.
    pub(super) claims: Map<String, Value>,
    /// What is used up when it is accepted, and not before: a retry after 503 works.
    pub(super) identity: Identity,
}

impl Flow {
    /// The request object, where the client sends one.
    pub(super) async fn signed_request(&self, client: &Client, form: &Form) -> Result<Option<Signed>, Refused> {
        let Some((text, registered)) = request_object::of(form, &client.metadata)? else { return Ok(None) };
        let jws = UnverifiedJws::parse(text).map_err(refused)?;
        // As registered, and no other that the key could sign with (RFC 8725 3.1).
        let ours: &[JwsAlgorithm] = if client.metadata.fapi_profile.is_some() { &JwsAlgorithm::FAPI } else { &JwsAlgorithm::ASYMMETRIC };
        let allowed: Vec<JwsAlgorithm> = ours.iter().copied().filter(|algorithm| registered.taken().contains(algorithm)).collect();
        let claims = self.verify_by_client(client, &jws, &allowed).await.map_err(refused)?;
        let typ = jws.header().typ.as_deref();
        let identity = request_object::check(Claims(claims), typ, form, &client.id, &self.issuer, self.clock.now())?;
        Ok(Some(Signed { claims: claims.clone(), identity }))
    }
}
