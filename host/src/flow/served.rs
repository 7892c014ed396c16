//! Whether what a client registered is still served here: since then the operator may have changed what the host signs
//! with, or a profile may have become stricter.

use super::Flow;
use crate::protocol::client::registration::{MetadataError, check_id_token_algorithm};
use crate::protocol::client::{Client, ClientKind, ClientMetadata};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::fapi;
use crate::store::StoreError;

impl Flow {
    /// Whether this client can be given tokens as it registered, and keeps to its profile. Looked at before a person is
    /// asked, and where tokens are handed out.
    ///
    /// # Errors
    /// `unauthorized_client`, with the member that has to be mended.
    pub(super) fn check_served(&self, client: &Client) -> Result<(), ProtocolError> {
        self.served(&client.metadata).map_err(unserved)
    }

    /// The same, and that its minimum can be met: one that is not in the operator's list could never be.
    ///
    /// # Errors
    /// As above.
    pub(super) fn check_can_ask(&self, client: &Client) -> Result<(), ProtocolError> {
        self.can_ask(&client.metadata).map_err(unserved)
    }

    fn served(&self, metadata: &ClientMetadata) -> Result<(), MetadataError> {
        check_id_token_algorithm(metadata, self.keys.algorithms())?;
        fapi::check_registration(metadata)
    }

    fn can_ask(&self, metadata: &ClientMetadata) -> Result<(), MetadataError> {
        self.served(metadata)?;
        match &metadata.acr_minimum {
            Some(minimum) if !self.authenticators.order.contains(minimum) => {
                Err(MetadataError::of("acr_minimum", "is not known here, so nothing can meet it"))
            }
            _ => Ok(()),
        }
    }

    /// Names the clients that ask in vain, so that the operator hears of them before they do.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn warn_of_unserved(&self) -> Result<(), StoreError> {
        for client in self.store.clients().await?.iter().filter(|client| client.kind == ClientKind::Ciba) {
            if let Err(error) = self.can_ask(&client.metadata) {
                tracing::warn!(client = %client.id, "the client asks in vain: {error}.  do: change its registration, or the configuration back");
            }
        }
        Ok(())
    }
}

fn unserved(error: MetadataError) -> ProtocolError {
    ProtocolError::new(ErrorCode::UnauthorizedClient, format!("what this client registered is not served here: {error}"))
}
