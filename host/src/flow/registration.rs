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
use crate::runtime::Registering;
use crate::store::{Admission, AuditEntry, Updated};

/// The fewest bytes of a secret that somebody chose, and of one that makes MACs with SHA-256 (RFC 7518 3.2).
const SECRET_MIN: usize = 16;
const SECRET_MIN_HS256: usize = 32;
/// The longest document with a sector's addresses that is read, in bytes.
const SECTOR_MAX: usize = 64 << 10;
/// How often a client's change of itself is made anew because somebody else has changed the client meanwhile.
const CHANGES_MAX: usize = 4;

/// Members that only an operator sets: more than a client may give itself. Of what a client says of them nothing is kept
/// (RFC 7591 2 lets the server replace and leave out), and what an operator said stays when the client changes itself.
pub(super) const OPERATORS: [&str; 7] =
    ["binding_message_characters", "expires_in", "expires_in_max", "interval", "keep_refresh_token", "long_poll", "resources"];

/// Members by which an operator may limit a client, and a client itself: what an operator set stays.
const LIMITS: [&str; 6] =
    ["acr_minimum", "authorization_details_types", "binding_message_pattern", "binding_message_required", "fapi_profile", "scope"];

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
    /// What lets a client register: its initial access token, or that anybody may.
    ///
    /// # Errors
    /// `invalid_token` when one is needed, and this is none.
    pub async fn may_register(&self, policy: &Registration, presented: Option<&str>) -> Result<Admission, Refused> {
        let Some(presented) = presented else {
            return if policy.open { Ok(Admission::Open(policy.open_clients)) } else { Err(not_invited()) };
        };
        let token = Digest::of(presented.as_bytes());
        if self.store.is_invited(&token, self.clock.now()).await? { Ok(Admission::Invited(token)) } else { Err(not_invited()) }
    }

    /// Registers a client (RFC 7591 3).
    ///
    /// # Errors
    /// `invalid_client_metadata` with the member, or what a plugin says of it; `invalid_token` when the token was used up meanwhile, or there are
    /// as many clients as may register without one.
    pub async fn register(&self, policy: &Registration, members: Map<String, Value>, admission: Admission) -> Result<Registered, Refused> {
        let members = self.review_registration(Registering::Create, members).await?;
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
            set_by_operator: Vec::new(),
            id,
        };
        if !self.store.register_client(client.clone(), admission, self.by_client(&client.id, "client register")).await? {
            return Err(match admission {
                Admission::Invited(_) => not_invited(),
                Admission::Open(most) => {
                    tracing::warn!(
                        most,
                        "a client could not register: as many have as may (registration.open_clients).  do: remove those that nobody knows, or raise it"
                    );
                    let what = "an initial access token is required: as many clients as may have registered without one";
                    ProtocolError::new(ErrorCode::InvalidToken, what).into()
                }
            });
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
        mut client: Client,
        mut members: Map<String, Value>,
    ) -> Result<Registered, Refused> {
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
        let members = self.review_registration(Registering::Update(client.id.0.clone()), members).await?;
        // The document of a sector may be slow to come. What an operator says of the client meanwhile holds: the change is
        // made anew, of what the client is by then.
        for _ in 0..CHANGES_MAX {
            let (changed, secret) = self.changed(policy, &client, members.clone(), sent.as_ref()).await?;
            if changed == client {
                // Nothing is written, and nothing that is known forgotten.
                return Ok(Registered { client, secret, token: None });
            }
            let audit = self.by_client(&client.id, "client update");
            match self.store.update_registered(client, changed.clone(), audit).await? {
                Updated::Done => return Ok(Registered { client: changed, secret, token: None }),
                Updated::Meanwhile(is) => client = *is,
                Updated::Gone => return Err(ErrorCode::InvalidToken.into()),
            }
        }
        Err(ErrorCode::TemporarilyUnavailable.into())
    }

    /// What a client becomes with what it says now, and its secret where it needs a new one.
    async fn changed(
        &self,
        policy: &Registration,
        client: &Client,
        members: Map<String, Value>,
        sent: Option<&Value>,
    ) -> Result<(Client, Option<Bearer>), Refused> {
        if let Some(sent) = sent {
            let right = sent.as_str().map(|sent| Digest::of(sent.as_bytes())).zip(client.secret.as_ref());
            if !right.is_some_and(|(sent, secret)| sent.matches(&secret.digest)) {
                return Err(invalid("client_secret is not the client's; leave it out"));
            }
        }
        let metadata = self.checked(policy, members, Some(client)).await?;
        let method = metadata.token_endpoint_auth_method;
        // A secret of which only the digest was kept makes no MAC.
        let good = |secret: &ClientSecret| method != AuthenticationMethod::ClientSecretJwt || secret.sealed.is_some();
        let kept = client.secret.clone().filter(|secret| method.has_secret() && good(secret));
        let made = (method.has_secret() && kept.is_none()).then(|| Bearer::from_random(self.random.bytes()));
        let secret = kept.or_else(|| made.as_ref().map(|made| keep_secret(&self.seal, &client.id, method, made.reveal())));
        Ok((Client { secret, metadata: Arc::new(metadata), ..client.clone() }, made))
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
        before: Option<&Client>,
    ) -> Result<ClientMetadata, Refused> {
        let members = within(policy, members, before);
        let circumstances =
            Circumstances { by_operator: false, modes: &policy.modes, algorithms: self.keys.algorithms(), read_keys: &read_keys };
        let metadata = registration::metadata(&members, &circumstances).map_err(|error| refused(&error))?;
        check_ceiling(policy, &metadata, before).map_err(|error| refused(&error))?;
        let known = before.is_some_and(|before| sector(&before.metadata) == sector(&metadata));
        if !known {
            self.check_sector(&metadata).await?;
        }
        Ok(metadata)
    }

    /// OpenID Connect Registration 5: the document lists the client, or anybody could join a sector. Whoever registers is not
    /// told what came of the call: it would tell of names and ports that only we see.
    async fn check_sector(&self, metadata: &ClientMetadata) -> Result<(), Refused> {
        let Some((uri, own)) = sector(metadata) else { return Ok(()) };
        let wrong = |what: &str| refused(&MetadataError::of("sector_identifier_uri", what));
        let listed = {
            let _place = self.limits.fetch_sector()?;
            self.listed(uri).await
        };
        let listed = listed.map_err(|cause| {
            tracing::warn!(uri = %uri.escape_debug(), "the document of a sector cannot be used: {}", cause.escape_debug());
            wrong("cannot be used: it has to answer with a list of addresses in JSON (OpenID Connect Registration 5), where we may call it")
        })?;
        match own.filter(|own| !listed.iter().any(|listed| listed == own)) {
            Some(missing) => Err(wrong(&format!("does not list {missing}"))),
            None => Ok(()),
        }
    }

    /// What the document at this address lists.
    async fn listed(&self, uri: &str) -> Result<Vec<String>, String> {
        let url = Url::parse(uri).map_err(|error| error.to_string())?;
        let fetched = self.callbacks.get(&url, SECTOR_MAX, "application/json").await.map_err(|error| error.to_string())?;
        if fetched.status != 200 {
            return Err(format!("it answers {}", fetched.status));
        }
        serde_json::from_slice(&fetched.body).map_err(|_| "it is not a list of addresses in JSON".to_owned())
    }

    fn by_client(&self, id: &ClientId, what: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: format!("client {id}"), what: what.to_owned(), about: id.0.clone() }
    }
}

/// The document that has to be looked at before a client is of its sector, and what it has to list.
fn sector(metadata: &ClientMetadata) -> Option<(&str, Option<&str>)> {
    let uri = metadata.sector_identifier_uri.as_deref().filter(|_| metadata.subject_type == SubjectType::Pairwise)?;
    Some((uri, listed_in_sector(metadata)))
}

/// `registration.scope` is the most that a client can give itself. An operator can give it more.
fn check_ceiling(policy: &Registration, metadata: &ClientMetadata, before: Option<&Client>) -> Result<(), MetadataError> {
    let by_operator = before.is_some_and(|before| before.set_by_operator.iter().any(|member| member == "scope"));
    let said = metadata.scope.as_deref().filter(|_| !policy.scope.is_empty() && !by_operator).unwrap_or_default();
    match said.split(' ').find(|value| !value.is_empty() && !policy.scope.split(' ').any(|most| most == *value)) {
        Some(more) => Err(MetadataError::of("scope", format!("{more} is more than clients may register here, which is: {}", policy.scope))),
        None => Ok(()),
    }
}

/// The members among what an operator says of a client that are to stay when the client changes itself.
pub(super) fn set_in(members: &Map<String, Value>) -> Vec<String> {
    let set = LIMITS.iter().filter(|member| members.get(**member).is_some_and(|value| !value.is_null()));
    set.map(|member| (*member).to_owned()).collect()
}

/// Whether a secret that somebody chose is long enough for its method.
///
/// # Errors
/// It is not, in words that follow on whose it is.
pub(super) fn check_secret_length(secret: &str, method: AuthenticationMethod) -> Result<(), String> {
    match method {
        AuthenticationMethod::ClientSecretJwt if secret.len() < SECRET_MIN_HS256 => {
            Err(format!("needs at least {SECRET_MIN_HS256} bytes for client_secret_jwt (RFC 7518 3.2)"))
        }
        _ if secret.len() < SECRET_MIN => Err(format!("needs at least {SECRET_MIN} characters")),
        _ => Ok(()),
    }
}

/// What a client says, with what the operator says of all that register and of this one.
fn within(policy: &Registration, mut members: Map<String, Value>, before: Option<&Client>) -> Map<String, Value> {
    let set_by_operator = before.map(|before| before.set_by_operator.as_slice()).unwrap_or_default();
    let before = before.and_then(|before| serde_json::to_value(&*before.metadata).ok());
    for member in OPERATORS.into_iter().chain(set_by_operator.iter().map(String::as_str)) {
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

fn invalid(what: &str) -> Refused {
    Refused::Protocol(ProtocolError::new(ErrorCode::InvalidRequest, what))
}

fn refused(error: &MetadataError) -> Refused {
    Refused::Protocol(ProtocolError::new(ErrorCode::InvalidClientMetadata, error.to_string()))
}

fn not_invited() -> Refused {
    let what = "the initial access token is missing, unknown, expired, or used up";
    Refused::Protocol(ProtocolError::new(ErrorCode::InvalidToken, what))
}

#[cfg(test)]
mod tests;
