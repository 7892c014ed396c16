//! What operators do with clients.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{NotDone, Operator, SecretText, to_json};
use crate::flow::registration::{check_id, check_secret_length, keep_secret, operators_metadata, set_in};
use crate::protocol::client::{AuthenticationMethod, Client, ClientKind, ClientMetadata, ClientSecret, Origin};
use crate::protocol::identifier::{Bearer, ClientId, Digest};
use crate::store::{Invitation, StoreError};

impl Operator {
    /// Removes a client that no file declares.
    pub(super) async fn remove_client(&self, id: &ClientId) -> Result<Value, NotDone> {
        self.client_to_change(id).await?;
        let ended = self.store.remove_client(id, self.audit("client remove", id.as_str())).await?;
        let requests = ended.ok_or_else(|| no_client(id))?;
        if let Some(flow) = &self.flow {
            flow.client_removed(requests);
        }
        Ok(json!({ "removed": true }))
    }

    /// The client, unless only its file may change it.
    async fn client_to_change(&self, id: &ClientId) -> Result<Client, NotDone> {
        let client = self.store.client(id).await?.ok_or_else(|| no_client(id))?;
        if client.origin == Origin::Declared {
            return Err(NotDone::Asked(format!(
                "the client {id} is declared in a file, and only the file changes it: declared/clients/{id}"
            )));
        }
        Ok(client)
    }

    /// Registers a client with all that is said of it.
    pub(super) async fn add_client_with(
        &self,
        id: ClientId,
        members: &Map<String, Value>,
        secret: Option<SecretText>,
    ) -> Result<Value, NotDone> {
        let metadata = self.read(members, &id)?;
        let (secret, made) = self.secret(&id, metadata.token_endpoint_auth_method, secret, None)?;
        let client = Client {
            kind: ClientKind::Ciba,
            secret,
            metadata: Arc::new(metadata),
            origin: Origin::Command,
            registration_token: None,
            set_by_operator: Vec::new(),
            id: id.clone(),
        };
        let view = full_view(&client, made.as_ref())?;
        self.store.add_client(client, self.audit("client add", id.as_str())).await.map_err(|error| exists_or(error, &id))?;
        Ok(view)
    }

    /// What an operator says of a client.
    fn read(&self, members: &Map<String, Value>, id: &ClientId) -> Result<ClientMetadata, NotDone> {
        let read = operators_metadata(members, id, &self.algorithms);
        read.map_err(|error| NotDone::Asked(format!("the metadata cannot be used: {error}")))
    }

    /// Everything registered of a client.
    pub(super) async fn show_client(&self, id: &ClientId) -> Result<Value, NotDone> {
        full_view(&self.store.client(id).await?.ok_or_else(|| no_client(id))?, None)
    }

    /// Replaces what is registered of a client; a secret that can go on being used does.
    pub(super) async fn update_client(
        &self,
        id: &ClientId,
        members: &Map<String, Value>,
        secret: Option<SecretText>,
    ) -> Result<Value, NotDone> {
        let client = self.client_to_change(id).await?;
        if client.kind == ClientKind::HookCaller {
            return Err(NotDone::Asked(format!("{id} calls hooks, and has no metadata; remove it and add it again")));
        }
        let metadata = self.read(members, id)?;
        let (secret, made) = self.secret(id, metadata.token_endpoint_auth_method, secret, client.secret)?;
        let set_by_operator = if client.origin == Origin::Registered { set_in(members) } else { Vec::new() };
        let client = Client { secret, metadata: Arc::new(metadata), set_by_operator, ..client };
        let view = full_view(&client, made.as_ref())?;
        self.store.put_client(client, self.audit("client update", id.as_str())).await?;
        Ok(view)
    }

    /// A token with which clients register themselves.
    pub(super) async fn invite_client(&self, uses: u32, hours: u32) -> Result<Value, NotDone> {
        if uses == 0 || hours == 0 || hours > 24 * 366 {
            return Err(NotDone::Asked("an initial access token is for one use at least, and for 1 hour to a year".to_owned()));
        }
        let token = Bearer::from_random(self.random.bytes());
        let expires_at = self.clock.now() + SignedDuration::from_hours(i64::from(hours));
        let invitation = Invitation { token: token.digest(), expires_at, uses };
        self.store.invite(invitation, self.audit("client invite", &format!("{uses} uses, until {expires_at}"))).await?;
        Ok(json!({ "initial_access_token": token.reveal(), "uses": uses, "expires_at": expires_at }))
    }

    /// The secret that goes with a method, and what of it has to be shown.
    fn secret(
        &self,
        id: &ClientId,
        method: AuthenticationMethod,
        given: Option<SecretText>,
        kept: Option<ClientSecret>,
    ) -> Result<(Option<ClientSecret>, Option<Bearer>), NotDone> {
        check_secret(given.as_ref(), method)?;
        if !method.has_secret() {
            return match given {
                Some(_) => Err(NotDone::Asked(format!("{} has no secret; leave --secret-file out", method.as_str()))),
                None => Ok((None, None)),
            };
        }
        let keep = |secret: &str| keep_secret(&self.seal, id, method, secret);
        if let Some(given) = given {
            return Ok((Some(keep(&given.0)), None));
        }
        // Of a secret that makes MACs the digest is not enough.
        if let Some(kept) = kept.filter(|kept| method != AuthenticationMethod::ClientSecretJwt || kept.sealed.is_some()) {
            return Ok((Some(kept), None));
        }
        let made = Bearer::from_random(self.random.bytes());
        Ok((Some(keep(made.reveal())), Some(made)))
    }

    /// Registers a client that polls with a secret, or calls hooks.
    pub(super) async fn add_client(
        &self,
        id: ClientId,
        name: String,
        kind: ClientKind,
        long_poll: bool,
        secret: Option<SecretText>,
    ) -> Result<Value, NotDone> {
        check_id(&id).map_err(NotDone::Asked)?;
        if kind == ClientKind::HookCaller && secret.as_ref().is_some_and(|secret| secret.0.contains('.')) {
            return Err(NotDone::Asked("the secret of a hook caller has no dot: its credential is CLIENT_ID.SECRET".to_owned()));
        }
        check_secret(secret.as_ref(), AuthenticationMethod::ClientSecretBasic)?;
        let made = Bearer::from_random(self.random.bytes());
        let digest = secret.as_ref().map_or_else(|| made.digest(), |secret| Digest::of(secret.0.as_bytes()));
        let mut client = Client::with_secret(id.clone(), &name, kind, digest, Origin::Command);
        Arc::make_mut(&mut client.metadata).long_poll = long_poll;
        let mut view = client_view(&client);
        self.store.add_client(client, self.audit("client add", id.as_str())).await.map_err(|error| exists_or(error, &id))?;
        if secret.is_none() {
            // The only time it is shown.
            view["client_secret"] = made.reveal().into();
        }
        Ok(view)
    }
}

pub(super) fn client_view(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "name": client.name(),
        "kind": client.kind,
        "delivery": client.delivery(),
        "origin": client.origin,
        "long_poll": client.metadata.long_poll,
    })
}

fn no_client(id: &ClientId) -> NotDone {
    NotDone::Asked(format!("there is no client {id}"))
}

fn check_secret(secret: Option<&SecretText>, method: AuthenticationMethod) -> Result<(), NotDone> {
    let checked = secret.map_or(Ok(()), |secret| check_secret_length(&secret.0, method));
    checked.map_err(|what| NotDone::Asked(format!("the client secret {what}; leave it out and one is made")))
}

fn exists_or(error: StoreError, id: &ClientId) -> NotDone {
    match error {
        StoreError::Exists(_) => NotDone::Asked(format!("there is a client {id} already; remove it first, or choose another name")),
        error => error.into(),
    }
}

/// Everything but the secret, unless that was made just now: then this is the only time it is shown.
fn full_view(client: &Client, made: Option<&Bearer>) -> Result<Value, NotDone> {
    let mut view = to_json(&*client.metadata)?;
    view["client_id"] = json!(client.id);
    view["kind"] = json!(client.kind);
    view["origin"] = json!(client.origin);
    if let Some(made) = made {
        view["client_secret"] = made.reveal().into();
    }
    Ok(view)
}
