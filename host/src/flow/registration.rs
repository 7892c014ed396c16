//! Clients register themselves (RFC 7591, OpenID Connect Registration), and manage themselves (RFC 7592).

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use super::{Flow, Refused};
use crate::config::Registration;
use crate::jose::{PublicKeys, Seal};
use crate::protocol::algorithm::{JwsAlgorithm, KeyEncryption};
use crate::protocol::client::registration::{self, Circumstances, KeysFound, MetadataError, listed_in_sector};
use crate::protocol::client::{AuthenticationMethod, Client, ClientKind, ClientMetadata, ClientSecret, DeliveryMode, Origin, SubjectType};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::{Bearer, ClientId, DeviceId, Digest};
use crate::store::AuditEntry;

/// The fewest characters of a secret that somebody chose.
pub(super) const SECRET_MIN: usize = 16;
/// The longest document with a sector's addresses that is read, in bytes.
const SECTOR_MAX: usize = 64 << 10;

/// Members that only an operator sets: more than a client may give itself. Of what a client says of them nothing is kept
/// (RFC 7591 2 lets the server replace and leave out), and what an operator said stays when the client changes itself.
const OPERATORS: [&str; 7] =
    ["binding_message_characters", "expires_in", "expires_in_max", "interval", "keep_refresh_token", "long_poll", "resources"];

/// A client that has just registered, or changed itself, with what is shown this once.
pub struct Registered {
    /// As it is kept.
    pub client: Client,
    /// Its secret, where it was given a new one.
    pub secret: Option<Bearer>,
    /// Its registration access token, where it was given a new one.
    pub token: Option<Bearer>,
}

impl Flow {
    /// What lets a client register: the digest of its initial access token, or nothing where anybody may.
    ///
    /// # Errors
    /// `invalid_token` when one is needed, and this is none.
    pub async fn may_register(&self, policy: &Registration, presented: Option<&str>) -> Result<Option<Digest>, Refused> {
        let Some(presented) = presented else {
            return if policy.open { Ok(None) } else { Err(not_invited()) };
        };
        let token = Digest::of(presented.as_bytes());
        if self.store.is_invited(&token, self.clock.now()).await? { Ok(Some(token)) } else { Err(not_invited()) }
    }

    /// Registers a client (RFC 7591 3).
    ///
    /// # Errors
    /// `invalid_client_metadata` with the member; `invalid_token` when the token was used up meanwhile.
    pub async fn register(
        &self,
        policy: &Registration,
        members: Map<String, Value>,
        invitation: Option<Digest>,
    ) -> Result<Registered, Refused> {
        let metadata = self.checked(policy, members, None).await?;
        let id = ClientId(DeviceId::from_random(self.random.bytes()).0);
        let token = Bearer::from_random(self.random.bytes());
        let secret = metadata.token_endpoint_auth_method.has_secret().then(|| Bearer::from_random(self.random.bytes()));
        let client = Client {
            kind: ClientKind::Ciba,
            secret: secret.as_ref().map(|secret| keep_secret(&self.seal, &id, metadata.token_endpoint_auth_method, secret.reveal())),
            metadata: Arc::new(metadata),
            origin: Origin::Registered,
            registration_token: Some(token.digest()),
            id,
        };
        if !self.store.register_client(client.clone(), invitation, self.by_client(&client.id, "client register")).await? {
            return Err(not_invited());
        }
        tracing::info!(client = %client.id, "a client has registered itself");
        Ok(Registered { client, secret, token: Some(token) })
    }

    /// The client that manages itself with this registration access token. Of a client that is not known it is told no
    /// more than of a token that is wrong (RFC 7592 2).
    ///
    /// # Errors
    /// `invalid_token`.
    pub async fn managed(&self, id: &ClientId, presented: Option<&str>) -> Result<Client, Refused> {
        const NOBODY: Digest = Digest([0; 32]);
        let wrong = || {
            let what = "the registration access token is missing, wrong, or of a client that is not registered any more";
            Refused::Protocol(ProtocolError::new(ErrorCode::InvalidToken, what))
        };
        let presented = Digest::of(presented.ok_or_else(wrong)?.as_bytes());
        let client = self.store.client(id).await?.filter(|client| client.origin == Origin::Registered);
        let token = client.as_ref().and_then(|client| client.registration_token);
        let right = presented.matches(token.as_ref().unwrap_or(&NOBODY)) && token.is_some();
        client.filter(|_| right).ok_or_else(wrong)
    }

    /// Replaces what is registered of a client by what it says now (RFC 7592 2.2).
    ///
    /// # Errors
    /// As for a registration; `invalid_request` when it names another client or another secret.
    pub async fn change_registration(
        &self,
        policy: &Registration,
        client: Client,
        mut members: Map<String, Value>,
    ) -> Result<Registered, Refused> {
        let invalid = |what: &str| Refused::Protocol(ProtocolError::new(ErrorCode::InvalidRequest, what));
        match members.remove("client_id") {
            Some(Value::String(id)) if id == client.id.as_str() => {}
            Some(_) => return Err(invalid("client_id is another client's")),
            None => return Err(invalid("client_id is missing (RFC 7592 2.2)")),
        }
        for ours in ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"] {
            if members.contains_key(ours) {
                return Err(invalid(&format!("{ours} must not be sent (RFC 7592 2.2)")));
            }
        }
        let sent = members.remove("client_secret").filter(|secret| !secret.is_null());
        if let Some(sent) = sent {
            let right = sent.as_str().map(|sent| Digest::of(sent.as_bytes())).zip(client.secret.as_ref());
            if !right.is_some_and(|(sent, secret)| sent.matches(&secret.digest)) {
                return Err(invalid("client_secret is not the client's; leave it out"));
            }
        }
        let metadata = self.checked(policy, members, Some(&client.metadata)).await?;
        let method = metadata.token_endpoint_auth_method;
        // A secret of which only the digest was kept makes no MAC.
        let good = |secret: &ClientSecret| method != AuthenticationMethod::ClientSecretJwt || secret.sealed.is_some();
        let kept = client.secret.filter(|secret| method.has_secret() && good(secret));
        let made = (method.has_secret() && kept.is_none()).then(|| Bearer::from_random(self.random.bytes()));
        let secret = kept.or_else(|| made.as_ref().map(|made| keep_secret(&self.seal, &client.id, method, made.reveal())));
        let client = Client { secret, metadata: Arc::new(metadata), ..client };
        if !self.store.update_registered(client.clone(), self.by_client(&client.id, "client update")).await? {
            return Err(ErrorCode::InvalidToken.into());
        }
        Ok(Registered { client, secret: made, token: None })
    }

    /// Removes a client that wants to go (RFC 7592 2.3), with all it was given.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn unregister(&self, client: &Client) -> Result<(), Refused> {
        let ended = self.store.remove_client(&client.id, self.by_client(&client.id, "client remove")).await?;
        self.client_removed(ended.into_iter().flatten());
        tracing::info!(client = %client.id, "a client has removed itself");
        Ok(())
    }

    /// Whoever waits for these requests learns that they have ended with their client.
    pub(super) fn client_removed(&self, ended: impl IntoIterator<Item = crate::protocol::transaction::Request>) {
        for request in ended {
            self.wakes.decided(&request.transaction, &request.user);
        }
    }

    /// What a client says of itself, within what the operator lets clients say.
    async fn checked(
        &self,
        policy: &Registration,
        members: Map<String, Value>,
        before: Option<&ClientMetadata>,
    ) -> Result<ClientMetadata, Refused> {
        let members = within(policy, members, before);
        let circumstances =
            Circumstances { by_operator: false, modes: &policy.modes, algorithms: self.keys.algorithms(), read_keys: &read_keys };
        let metadata = registration::metadata(&members, &circumstances).map_err(|error| refused(&error))?;
        self.check_sector(&metadata).await.map_err(|what| refused(&MetadataError::of("sector_identifier_uri", what)))?;
        Ok(metadata)
    }

    /// OpenID Connect Registration 5: the document lists the client, or anybody could join a sector.
    async fn check_sector(&self, metadata: &ClientMetadata) -> Result<(), String> {
        let Some(uri) = metadata.sector_identifier_uri.as_ref().filter(|_| metadata.subject_type == SubjectType::Pairwise) else {
            return Ok(());
        };
        let url = Url::parse(uri).map_err(|error| error.to_string())?;
        let fetched = self.callbacks.get(&url, SECTOR_MAX, "application/json").await.map_err(|error| format!("cannot be read: {error}"))?;
        if fetched.status != 200 {
            return Err(format!("cannot be read: it answers {}", fetched.status));
        }
        let listed: Vec<String> = serde_json::from_slice(&fetched.body)
            .map_err(|_| "is not a list of addresses in JSON (OpenID Connect Registration 5)".to_owned())?;
        match listed_in_sector(metadata).filter(|own| !listed.iter().any(|listed| listed == own)) {
            Some(missing) => Err(format!("does not list {missing}")),
            None => Ok(()),
        }
    }

    fn by_client(&self, id: &ClientId, what: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: format!("client {id}"), what: what.to_owned(), about: id.0.clone() }
    }
}

/// What a client says, with what the operator says of all that register and of this one.
fn within(policy: &Registration, mut members: Map<String, Value>, before: Option<&ClientMetadata>) -> Map<String, Value> {
    let before = before.and_then(|before| serde_json::to_value(before).ok());
    for member in OPERATORS {
        members.remove(member);
        if let Some(kept) = before.as_ref().and_then(|before| before.get(member)) {
            members.insert(member.to_owned(), kept.clone());
        }
    }
    let said = |members: &Map<String, Value>, member: &str| members.get(member).is_some_and(|value| !value.is_null());
    if !said(&members, "scope") && !policy.scope.is_empty() {
        members.insert("scope".to_owned(), policy.scope.as_str().into());
    }
    if let Some(profile) = policy.fapi_profile {
        members.insert("fapi_profile".to_owned(), profile.as_str().into());
        // The profile's own default, of which RFC 7591 knows no name.
        if !said(&members, "binding_message_required") && !said(&members, "authorization_details_types") {
            members.insert("binding_message_required".to_owned(), true.into());
        }
    }
    members
}

/// Whether a client can be known by this name, which operators choose.
pub(super) fn check_id(id: &ClientId) -> Result<(), String> {
    if id.0.is_empty() || id.0.len() > 128 || !id.0.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a client_id is 1 to 128 printable ASCII characters without spaces".to_owned());
    }
    Ok(())
}

/// What an operator says of a client, by command or in a file: every member has to be one that we know, and
/// `client_id`, where it stands there, this client's. The host signs with `algorithms`.
///
/// # Errors
/// The member that cannot be used.
pub(super) fn operators_metadata(
    members: &Map<String, Value>,
    id: &ClientId,
    algorithms: &[JwsAlgorithm],
) -> Result<ClientMetadata, MetadataError> {
    check_id(id).map_err(|what| MetadataError::of("client_id", what))?;
    if members.get("client_id").is_some_and(|said| said != id.as_str()) {
        return Err(MetadataError::of("client_id", format!("is not {id}")));
    }
    if members.contains_key("client_secret") {
        return Err(MetadataError::of("client_secret", "does not stand in the open: give it in a file of its own"));
    }
    let circumstances = Circumstances { by_operator: true, modes: &DeliveryMode::ALL, algorithms, read_keys: &read_keys };
    registration::metadata(members, &circumstances)
}

/// What the rules want to know of a set of keys.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_keys(jwks: &Value) -> Result<KeysFound, String> {
    let keys = PublicKeys::parse(jwks)?;
    let encryption = KeyEncryption::ALL.iter().copied().filter(|algorithm| keys.encryption_key(*algorithm).is_some()).collect();
    Ok(KeysFound { encryption, certificates: !keys.certificates().is_empty() })
}

/// A secret as it is kept: the digest, and the secret itself only where both sides make MACs with it.
pub(super) fn keep_secret(seal: &Seal, id: &ClientId, method: AuthenticationMethod, secret: &str) -> ClientSecret {
    let sealed = (method == AuthenticationMethod::ClientSecretJwt).then(|| seal.seal(secret.as_bytes(), id.as_str().as_bytes()));
    ClientSecret { digest: Digest::of(secret.as_bytes()), sealed }
}

fn refused(error: &MetadataError) -> Refused {
    Refused::Protocol(ProtocolError::new(ErrorCode::InvalidClientMetadata, error.to_string()))
}

fn not_invited() -> Refused {
    let what = "the initial access token is missing, unknown, expired, or used up";
    Refused::Protocol(ProtocolError::new(ErrorCode::InvalidToken, what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::FapiProfile;

    fn policy() -> Registration {
        Registration { enabled: true, open: true, modes: vec![DeliveryMode::Poll], scope: String::new(), fapi_profile: None }
    }

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_client_gives_itself_nothing_that_is_the_operators_to_give() {
        let asked: Map<String, Value> = OPERATORS.iter().map(|member| ((*member).to_owned(), json!(true))).collect();
        assert_eq!(within(&policy(), asked.clone(), None), Map::new());
        let before = ClientMetadata { interval: Some(2), long_poll: true, ..ClientMetadata::default() };
        let kept = within(&policy(), asked, Some(&before));
        assert_eq!((&kept["interval"], &kept["long_poll"]), (&json!(2), &json!(true)));
    }

    #[test]
    fn what_the_operator_says_of_all_is_said_of_each() {
        let policy = Registration { scope: "openid email".to_owned(), fapi_profile: Some(FapiProfile::Id1), ..policy() };
        let said = within(&policy, members(json!({"scope": null, "fapi_profile": "fapi_ciba_fapi2"})), None);
        assert_eq!(said, members(json!({"scope": "openid email", "fapi_profile": "fapi_ciba_id1", "binding_message_required": true})));
        let said = within(&policy, members(json!({"scope": "openid", "binding_message_required": false})), None);
        assert_eq!((&said["scope"], &said["binding_message_required"]), (&json!("openid"), &json!(false)));
    }
}
