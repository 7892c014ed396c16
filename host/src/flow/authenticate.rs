//! Who is asking: a client proves itself in the way it registered, and in no other.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{Flow, Refused};
use crate::jose::{JwtFault, UnverifiedJws};
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::certificate::{ClientCertificate, RegisteredName};
use crate::protocol::claims::Claims;
use crate::protocol::client::assertion::{self, Audiences};
use crate::protocol::client::credential::{Shown, secret_matches};
use crate::protocol::client::{AuthenticationMethod, Client, ClientKind, ClientMetadata, FapiProfile, Origin, UnverifiedCredential};
use crate::protocol::discovery::path;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::{ClientId, Digest};
use crate::store::{Spent, StoreError};

impl Flow {
    /// Who is asking, unless too much was wrong before, of this client or from this address.
    ///
    /// # Errors
    /// `invalid_client` when what was shown does not prove that it is the client it claims to be.
    pub async fn authenticate_client(
        &self,
        credential: &UnverifiedCredential,
        certificate: Option<&ClientCertificate>,
        from: IpAddr,
    ) -> Result<Client, Refused> {
        let shown = Presented::read(&credential.shown);
        let (claimed, now) = (claimed(credential.client.as_ref(), &shown), self.clock.now());
        self.limits.listen(claimed.as_ref(), from, now)?;
        let unheard = self.limits.unheard(from, now);
        let authenticated = self.verified_client(credential.client.as_ref(), &shown, certificate).await;
        unheard.heard();
        match &authenticated {
            Ok(client) => self.limits.proved(&client.id, from, now),
            Err(Refused::Protocol(error)) if error.code == ErrorCode::InvalidClient => {
                // Only a secret can be guessed. What is signed cannot, and to lock its client out would help who wants that.
                let guessed = claimed.as_ref().filter(|_| matches!(shown, Presented::Secret(_)));
                self.limits.failed(guessed, from, now);
            }
            Err(_) => {}
        }
        authenticated
    }

    async fn verified_client(
        &self,
        named: Option<&ClientId>,
        shown: &Presented<'_>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Client, Refused> {
        match shown {
            Presented::Secret(secret) => self.by_secret(named, secret).await,
            Presented::Assertion(Ok(jws)) => self.by_assertion(named, jws).await,
            Presented::Assertion(Err(fault)) => Err(unproven(fault.to_string())),
            Presented::Certificate => self.by_certificate(named, certificate).await,
        }
    }

    /// `client_secret_basic` and `client_secret_post`: whoever registered one of them may use the other, which shows the
    /// same.
    async fn by_secret(&self, id: Option<&ClientId>, secret: &str) -> Result<Client, Refused> {
        let holder = match id {
            Some(id) => self.holder_of_secret(id, secret).await?,
            None => None,
        };
        let client = holder.ok_or_else(|| Refused::from(ErrorCode::InvalidClient))?;
        match client.metadata.token_endpoint_auth_method {
            AuthenticationMethod::ClientSecretBasic | AuthenticationMethod::ClientSecretPost => Ok(client),
            // Whoever has the secret is the client, and may know.
            method => Err(unproven(format!("this client is registered for {}", method.as_str()))),
        }
    }

    /// The client of this name, if this is its secret.
    async fn holder_of_secret(&self, id: &ClientId, secret: &str) -> Result<Option<Client>, StoreError> {
        let registered = self.registered(id).await?;
        let known = registered.as_ref().and_then(|client| client.secret.as_ref()).map(|secret| &secret.digest);
        let right = secret_matches(secret, known);
        Ok(registered.filter(|_| right))
    }

    /// `private_key_jwt` and `client_secret_jwt` (RFC 7523 2.2).
    async fn by_assertion(&self, named: Option<&ClientId>, jws: &UnverifiedJws) -> Result<Client, Refused> {
        let subject = Claims(jws.claims()).text("sub").map_err(unproven)?;
        if named.is_some_and(|named| named.as_str() != subject) {
            return Err(unproven("sub is not the client_id beside the assertion".to_owned()));
        }
        // Of a client that is not known it is told no more than of one whose signature is wrong.
        let unknown = || unproven("the signature of the JWT is wrong".to_owned());
        let client = self.registered(&subject.into()).await?.ok_or_else(unknown)?;
        let metadata = &client.metadata;
        match metadata.token_endpoint_auth_method {
            AuthenticationMethod::PrivateKeyJwt => {
                self.verify_by_client(&client, jws, &assertion_algorithms(metadata)).await.map_err(unproven)?;
            }
            AuthenticationMethod::ClientSecretJwt => {
                let sealed = client.secret.as_ref().and_then(|secret| secret.sealed.as_deref());
                let secret = sealed.and_then(|sealed| self.seal.open(sealed, client.id.as_str().as_bytes()));
                let secret = secret.ok_or_else(|| Refused::Internal(format!("the secret of the client {} cannot be read", client.id)))?;
                jws.verify_hmac(&secret).map_err(|_| unknown())?;
            }
            method => {
                note_other_method(&client, method);
                return Err(unknown());
            }
        }
        let endpoints = self.addresses(&[path::TOKEN, path::BACKCHANNEL_AUTHENTICATION, path::INTROSPECTION, path::REVOCATION]);
        let issuer_only = metadata.fapi_profile == Some(FapiProfile::Fapi2);
        let audiences = Audiences { issuer: &self.issuer, endpoints: &endpoints, issuer_only };
        let assertion = assertion::check(Claims(jws.claims()), client.id.as_str(), &audiences, self.clock.now()).map_err(unproven)?;
        self.once("assertion", client.id.as_str(), assertion.jti, assertion.remember_until)
            .await?
            .then_some(())
            .ok_or_else(|| unproven("jti was used before".to_owned()))?;
        Ok(client)
    }

    /// `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 2).
    async fn by_certificate(&self, id: Option<&ClientId>, certificate: Option<&ClientCertificate>) -> Result<Client, Refused> {
        let Some(certificate) = certificate else {
            return Err(unproven("no client authentication, and no certificate was shown".to_owned()));
        };
        let registered = match id {
            Some(id) => self.registered(id).await?,
            None => None,
        };
        let not_the_clients = || unproven("the certificate that was shown is not the client's".to_owned());
        let client = registered.ok_or_else(not_the_clients)?;
        let proven = match client.metadata.token_endpoint_auth_method {
            AuthenticationMethod::TlsClientAuth => registered_name(&client).is_some_and(|name| certificate.proves(&name, self.clock.now())),
            AuthenticationMethod::SelfSignedTlsClientAuth => self.has_certificate(&client, certificate).await.map_err(unproven)?,
            method => {
                note_other_method(&client, method);
                false
            }
        };
        if proven { Ok(client) } else { Err(not_the_clients()) }
    }

    /// The hook caller whose credential this is.
    ///
    /// # Errors
    /// When too much was wrong before, or the store cannot answer.
    pub async fn hook_caller(&self, credential: &UnverifiedCredential, from: IpAddr) -> Result<Option<Client>, Refused> {
        let (Some(id), Shown::Secret(secret)) = (&credential.client, &credential.shown) else { return Ok(None) };
        let now = self.clock.now();
        self.limits.listen(Some(id), from, now)?;
        let caller = self.holder_of_secret(id, secret).await?.filter(|client| client.kind == ClientKind::HookCaller);
        match &caller {
            Some(client) => self.limits.proved(&client.id, from, now),
            None => self.limits.failed(Some(id), from, now),
        }
        Ok(caller)
    }

    /// The client of this name. What came with the demo is a stranger outside it, however it got here.
    pub(super) async fn registered(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.store.client(id).await?.filter(|client| self.demo || client.origin != Origin::Demo))
    }

    /// Uses a `jti` of this kind up; `false` when it was used before by the same party.
    pub(super) async fn once(&self, kind: &str, party: &str, jti: &str, until: Timestamp) -> Result<bool, StoreError> {
        self.store.spend(Spent { what: spent(kind, party, jti), until }).await
    }

    /// The addresses of these paths, under the issuer and under the name that asks for certificates.
    pub(super) fn addresses(&self, paths: &[&str]) -> Vec<String> {
        let bases = [Some(&self.issuer), self.mtls.as_ref()];
        bases.into_iter().flatten().flat_map(|base| paths.iter().map(move |path| format!("{base}{path}"))).collect()
    }
}

/// What was shown, of which an assertion is read once: it may say who shows it.
enum Presented<'a> {
    Secret(&'a str),
    Assertion(Result<UnverifiedJws, JwtFault>),
    Certificate,
}

impl<'a> Presented<'a> {
    fn read(shown: &'a Shown) -> Self {
        match shown {
            Shown::Secret(secret) => Self::Secret(secret),
            Shown::Assertion(text) => Self::Assertion(UnverifiedJws::parse(text)),
            Shown::Certificate => Self::Certificate,
        }
    }
}

/// The client it says it is, which proves nothing.
fn claimed(named: Option<&ClientId>, shown: &Presented<'_>) -> Option<ClientId> {
    match (named, shown) {
        (Some(named), _) => Some(named.clone()),
        (None, Presented::Assertion(Ok(jws))) => Claims(jws.claims()).text("sub").ok().map(Into::into),
        (None, _) => None,
    }
}

/// What is remembered of a `jti`. The parts are told apart by their lengths, so that none can be written as another.
pub(super) fn spent(kind: &str, party: &str, jti: &str) -> Digest {
    Digest::of(format!("{kind} {} {party} {jti}", party.len()).as_bytes())
}

/// The one name that the client's certificates carry (RFC 8705 2.1.2).
fn registered_name(client: &Client) -> Option<RegisteredName> {
    let metadata = &client.metadata;
    let names = [
        ("tls_client_auth_subject_dn", &metadata.tls_client_auth_subject_dn),
        ("tls_client_auth_san_dns", &metadata.tls_client_auth_san_dns),
        ("tls_client_auth_san_uri", &metadata.tls_client_auth_san_uri),
        ("tls_client_auth_san_ip", &metadata.tls_client_auth_san_ip),
        ("tls_client_auth_san_email", &metadata.tls_client_auth_san_email),
    ];
    names.into_iter().find_map(|(member, value)| RegisteredName::parse(member, value.as_deref()?).ok())
}

/// What a client's assertions may be signed with: as registered, and never what its profile forbids.
fn assertion_algorithms(metadata: &ClientMetadata) -> Vec<JwsAlgorithm> {
    let ours: &[JwsAlgorithm] = if metadata.fapi_profile.is_some() { &JwsAlgorithm::FAPI } else { &JwsAlgorithm::ASYMMETRIC };
    let registered = metadata.token_endpoint_auth_signing_alg;
    ours.iter().copied().filter(|algorithm| registered.is_none_or(|registered| registered.taken().contains(algorithm))).collect()
}

fn unproven(what: String) -> Refused {
    ProtocolError::new(ErrorCode::InvalidClient, format!("client authentication failed: {what}")).into()
}

/// Nothing was proved, so nobody is told how the client would prove itself, nor that there is one. Its owner asks the
/// operator.
fn note_other_method(client: &Client, registered: AuthenticationMethod) {
    tracing::debug!(client = %client.id, registered = registered.as_str(), "a client proves itself in another way than it registered");
}

#[cfg(test)]
mod tests {
    use super::*;
    use JwsAlgorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};

    #[test]
    fn item_28_an_assertion_is_signed_as_registered_and_never_as_a_profile_forbids() {
        let profile = Some(FapiProfile::Id1);
        for (fapi_profile, registered, allowed) in [
            (None, None, vec![Es256, Ps256, Rs256, EdDsa, Ed25519]),
            (None, Some(Rs256), vec![Rs256]),
            // The name of a family, whose only member here has a name of its own by now.
            (None, Some(EdDsa), vec![EdDsa, Ed25519]),
            (profile, None, vec![Es256, Ps256]),
            (profile, Some(Ps256), vec![Ps256]),
            // Registered before it had a profile.
            (profile, Some(Rs256), vec![]),
        ] {
            let metadata = ClientMetadata { token_endpoint_auth_signing_alg: registered, fapi_profile, ..ClientMetadata::default() };
            assert_eq!(assertion_algorithms(&metadata), allowed, "{fapi_profile:?} {registered:?}");
        }
    }
}
