//! What files say, brought into the store.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::folder::{Kind, Named};
use super::read::{Content, DeclaredSecret, DeclaredUser};
use crate::flow::Flow;
use crate::flow::registration::keep_secret;
use crate::protocol::client::{Client, ClientKind, ClientMetadata, ClientSecret, Origin};
use crate::protocol::identifier::{ClientId, Digest, UserId};
use crate::protocol::user::{User, normal_hint};
use crate::store::{AuditEntry, StoreError};

impl Flow {
    /// What was declared when the host last ran.
    pub(super) async fn declared_before(&self) -> Result<Vec<Named>, StoreError> {
        let clients = self.store.clients().await?.into_iter().filter(|client| client.origin == Origin::Declared);
        let users = self.store.users().await?.into_iter().filter(|user| user.declared);
        let clients = clients.map(|client| Named { kind: Kind::Client, name: client.id.0 });
        Ok(clients.chain(users.map(|user| Named { kind: Kind::User, name: user.username })).collect())
    }

    /// Has what a file says in force.
    ///
    /// # Errors
    /// Why it is not; then nothing was changed.
    pub(super) async fn declare(&self, file: &Named, content: Content) -> Result<(), String> {
        match content {
            Content::Client { metadata, secret } => self.declare_client(&file.name, *metadata, secret).await,
            Content::User(user) => self.declare_user(&file.name, user).await,
            Content::DetailType(name, declared) => {
                self.details.declare(&file.name, name.clone(), declared)?;
                tracing::info!("the authorization_details of type {name} are as their file declares");
                Ok(())
            }
            Content::Key(alg, der) => {
                let (ring, now) = (self.keys.clone(), self.clock.now());
                let imported = tokio::task::spawn_blocking(move || ring.import(alg, &der, now)).await.map_err(|error| error.to_string())?;
                let changes = imported.map_err(|error| format!("{error:#}"))?;
                if !changes.is_empty() {
                    self.store.audit(self.by_file("key import", alg.as_str())).await.map_err(|error| error.to_string())?;
                }
                Ok(())
            }
        }
    }

    async fn declare_client(&self, name: &str, metadata: ClientMetadata, secret: Option<DeclaredSecret>) -> Result<(), String> {
        let id = ClientId(name.to_owned());
        let secret = secret.map(|secret| match secret {
            DeclaredSecret::Text(text) => keep_secret(&self.seal, &id, metadata.token_endpoint_auth_method, &text),
            DeclaredSecret::Sha256(digest) => ClientSecret { digest, sealed: None },
        });
        let before = self.store.client(&id).await.map_err(|error| error.to_string())?;
        // The same sealed twice reads differently.
        let about = |secret: Option<&ClientSecret>| secret.map(|secret| (secret.digest, secret.sealed.is_some()));
        if before.is_some_and(|before| {
            before.origin == Origin::Declared && *before.metadata == metadata && about(before.secret.as_ref()) == about(secret.as_ref())
        }) {
            return Ok(());
        }
        let client = Client {
            kind: ClientKind::Ciba,
            secret,
            metadata: Arc::new(metadata),
            origin: Origin::Declared,
            registration_token: None,
            set_by_operator: Vec::new(),
            id,
        };
        self.store.put_client(client, self.by_file("client declare", name)).await.map_err(|error| error.to_string())?;
        tracing::info!(client = name, "a client is as its file declares");
        Ok(())
    }

    async fn declare_user(&self, name: &str, said: DeclaredUser) -> Result<(), String> {
        let before = self.store.user_by_hint(&normal_hint(name)).await.map_err(|error| error.to_string())?;
        let before = before.filter(|user| normal_hint(&user.username) == normal_hint(name));
        let id = match (&said.sub, &before) {
            (Some(sub), Some(before)) if before.id.as_str() != sub => {
                return Err(format!(
                    "sub: {name} is here already as {}, and clients know them by that; write that, or remove the user first",
                    before.id
                ));
            }
            (Some(sub), _) => UserId(sub.clone()),
            (None, Some(before)) => before.id.clone(),
            (None, None) => derived(name),
        };
        if let Some(other) = self.store.user(&id).await.map_err(|error| error.to_string())?
            && before.as_ref().is_none_or(|before| before.id != other.id)
            && !other.declared
        {
            return Err(format!("sub: {id} is {} already", other.username));
        }
        let user = User {
            id,
            name: said.name.unwrap_or_else(|| name.to_owned()),
            username: name.to_owned(),
            email: said.email,
            phone: said.phone,
            locale: said.locale,
            declared: true,
        };
        if before.as_ref() == Some(&user) {
            return Ok(());
        }
        self.store.put_user(user, self.by_file("user declare", name)).await.map_err(|error| error.to_string())?;
        tracing::info!(user = name, "a user is as their file declares");
        Ok(())
    }

    /// A file is gone, and what it declared with it.
    ///
    /// # Errors
    /// Why that is still here.
    pub(super) async fn undeclare(&self, file: &Named) -> Result<(), String> {
        let name = file.name.as_str();
        match file.kind {
            // It has signed, and whoever holds a token of it relies on that.
            Kind::Key => tracing::info!("the file of the {name} key is gone; the key stays until it is replaced: ciba-host key rotate"),
            Kind::DetailType => {
                self.details.undeclare(&file.name);
                tracing::info!("a type of authorization_details was removed with its file {name}");
            }
            Kind::Client => {
                let id = ClientId(name.to_owned());
                let client = self.store.client(&id).await.map_err(|error| error.to_string())?;
                if client.is_some_and(|client| client.origin == Origin::Declared) {
                    let ended = self.store.remove_client(&id, self.by_file("client remove", name)).await;
                    self.client_removed(ended.map_err(|error| error.to_string())?.into_iter().flatten());
                    tracing::info!(client = name, "a client was removed with its file");
                }
            }
            Kind::User => {
                let user = self.store.user_by_hint(&normal_hint(name)).await.map_err(|error| error.to_string())?;
                // Under another name they are another file's by now.
                if let Some(user) = user.filter(|user| user.declared && user.username == name) {
                    self.store.remove_user(&user.id, self.by_file("user remove", name)).await.map_err(|error| error.to_string())?;
                    self.wakes.devices_changed(&user.id);
                    tracing::info!(user = name, "a user was removed with their file");
                }
            }
        }
        Ok(())
    }

    fn by_file(&self, what: &str, about: &str) -> AuditEntry {
        AuditEntry { at: self.clock.now(), who: "declared".to_owned(), what: what.to_owned(), about: about.to_owned() }
    }
}

/// The same user in every installation that declares them.
fn derived(username: &str) -> UserId {
    let digest = Digest::of(format!("declared user {}", normal_hint(username)).as_bytes());
    UserId(BASE64_URL_SAFE_NO_PAD.encode(&digest.0[..16]))
}
