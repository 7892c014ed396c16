//! A client asks (CIBA Core 7).

use jiff::SignedDuration;

use super::{Flow, Refused};
use crate::protocol::backchannel::{BackchannelRequest, Hint, Limits};
use crate::protocol::client::{Client, ClientKind};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::identifier::{Bearer, TransactionId};
use crate::protocol::transaction::{Request, Stored};
use crate::store::{NewRequest, Parties};

/// The answer to a client that asked (CIBA Core 7.3).
#[derive(Debug)]
pub struct Started {
    /// What the client redeems. Shown once.
    pub auth_req_id: Bearer,
    /// What plugins and devices call the request.
    pub transaction: TransactionId,
    /// Lifetime in seconds.
    pub expires_in: u32,
    /// Seconds between two polls.
    pub interval: u32,
}

impl Flow {
    /// Stores the request together with the job that announces it. The person is told afterwards, so that a slow
    /// push service never delays the client.
    ///
    /// # Errors
    /// The rule the request breaks, or that nothing could be stored.
    pub async fn start(&self, client: &Client, form: &Form) -> Result<Started, Refused> {
        if client.kind != ClientKind::Ciba {
            return Err(ProtocolError::new(ErrorCode::UnauthorizedClient, "this client may only call the HTTP hooks").into());
        }
        let limits = Limits {
            expires_in: self.ciba.expires_in,
            expires_in_max: self.ciba.expires_in_max,
            binding_message_characters: self.ciba.binding_message_characters,
        };
        let asked = BackchannelRequest::parse(form, client, &limits)?;
        let Hint::Login(hint) = &asked.hint;
        let user = self.store.user_by_hint(hint).await?.ok_or(Refused::from(ErrorCode::UnknownUserId))?;
        let now = self.clock.now();
        let transaction = TransactionId::new(now, self.random.bytes());
        let auth_req_id = Bearer::of_request(&transaction, self.random.bytes());
        let request = Request {
            transaction: transaction.clone(),
            client: client.id.clone(),
            user: user.id,
            scope: asked.scope.to_wire(),
            binding_message: asked.binding_message.map(|message| message.as_str().to_owned()),
            acr_values: asked.acr_values,
            stored: Stored::Pending,
            created_at: now,
            expires_at: now + SignedDuration::from_secs(i64::from(asked.expires_in)),
            decided_at: None,
            delivery: client.delivery(),
            particulars: None,
            evidence: None,
        };
        let parties = Parties { client_name: Some(client.name().to_owned()), user_name: Some(user.name), locale: user.locale };
        let new = NewRequest::polled(request, auth_req_id.digest(), parties);
        self.store.start(new).await?;
        self.wakes.job_added();
        Ok(Started { auth_req_id, transaction, expires_in: asked.expires_in, interval: self.ciba.interval })
    }
}
