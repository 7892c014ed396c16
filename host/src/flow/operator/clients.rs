//! What operators do with clients.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{NotDone, Operator, SecretText};
use crate::protocol::client::{Client, ClientKind, Origin};
use crate::protocol::identifier::{Bearer, ClientId, Digest};
use crate::store::StoreError;

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

    pub(super) async fn add_client(
        &self,
        id: ClientId,
        name: String,
        kind: ClientKind,
        long_poll: bool,
        secret: Option<SecretText>,
    ) -> Result<Value, NotDone> {
        if id.0.is_empty() || id.0.len() > 128 || !id.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotDone::Asked("a client_id is 1 to 128 printable ASCII characters without spaces".to_owned()));
        }
        if kind == ClientKind::HookCaller && secret.as_ref().is_some_and(|secret| secret.0.contains('.')) {
            return Err(NotDone::Asked("the secret of a hook caller has no dot: its credential is CLIENT_ID.SECRET".to_owned()));
        }
        let made = Bearer::from_random(self.random.bytes());
        let digest = match &secret {
            Some(secret) if secret.0.len() < 16 => {
                return Err(NotDone::Asked("a client secret needs at least 16 characters; leave it out and one is made".to_owned()));
            }
            Some(secret) => Digest::of(secret.0.as_bytes()),
            None => made.digest(),
        };
        let mut client = Client::with_secret(id.clone(), &name, kind, digest, Origin::Command);
        Arc::make_mut(&mut client.metadata).long_poll = long_poll;
        let mut view = client_view(&client);
        self.store.add_client(client, self.audit("client add", id.as_str())).await.map_err(|error| match error {
            StoreError::Exists(_) => NotDone::Asked(format!("there is a client {id} already; remove it first, or choose another name")),
            error => error.into(),
        })?;
        if secret.is_none() {
            // The only time it is shown.
            view["client_secret"] = made.reveal().into();
        }
        Ok(view)
    }
}

pub(super) fn client_view(client: &Client) -> Value {
    json!({ "client_id": client.id, "name": client.name(), "kind": client.kind, "delivery": client.delivery(), "long_poll": client.metadata.long_poll })
}

fn no_client(id: &ClientId) -> NotDone {
    NotDone::Asked(format!("there is no client {id}"))
}
