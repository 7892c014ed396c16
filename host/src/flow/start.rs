//! A client asks (CIBA Core 7).

use std::sync::Arc;

use jiff::SignedDuration;

use super::tally::Happened;
use super::{Flow, Refused};
use crate::protocol::backchannel::{BackchannelRequest, Limits, Parameters, target};
use crate::protocol::client::{Client, ClientKind, DeliveryMode};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::fapi;
use crate::protocol::form::Form;
use crate::protocol::holder::Holder;
use crate::protocol::identifier::{Bearer, TransactionId, UserId};
use crate::protocol::note::Note;
use crate::protocol::notification::ToNotify;
use crate::protocol::request_object;
use crate::protocol::transaction::{Confirmation, Particulars, Request, Stored};
use crate::store::{NewRequest, Parties, Spent, Start};

/// The answer to a client that asked (CIBA Core 7.3).
#[derive(Debug)]
pub struct Started {
    /// What the client redeems. Shown once.
    pub auth_req_id: Bearer,
    /// What plugins and devices call the request.
    pub transaction: TransactionId,
    /// Lifetime in seconds.
    pub expires_in: u32,
    /// Seconds between two polls, of a client that may poll.
    pub interval: Option<u32>,
}

impl Flow {
    /// Stores the request together with the job that announces it. The person is told afterwards, so that a slow
    /// push service never delays the client.
    ///
    /// The client has been authenticated; then comes what it asks, and then whom (CIBA Core 7.2).
    ///
    /// # Errors
    /// The rule the request breaks, or that nothing could be stored.
    pub async fn start(&self, client: &Client, form: &Form, holder: &Holder) -> Result<Started, Refused> {
        if client.kind != ClientKind::Ciba {
            return Err(ProtocolError::new(ErrorCode::UnauthorizedClient, "this client may only call the HTTP hooks").into());
        }
        let now = self.clock.now();
        self.limits.ask(&client.id, now)?;
        self.check_can_ask(client)?;
        self.encryption_key(client).await?;
        let signed = self.signed_request(client, form).await?;
        let parameters = signed.as_ref().map_or(Parameters::Form(form), |signed| Parameters::Claims(&signed.claims));
        let asked = BackchannelRequest::parse(parameters, client, &self.request_limits())?;
        fapi::check_request(client, &asked, signed.is_some())?;
        asked.authorization_details.as_ref().map_or(Ok(()), |details| self.details.check(details))?;
        target::allowed(&asked.resource, &client.metadata, &self.ciba.resources)?;
        let confirmation = confirmation(client, holder)?;
        let transaction = TransactionId::new(now, self.random.bytes());
        let mut request = self.request(client, &asked, transaction.clone(), confirmation);
        let mut parties = Parties { client_name: client.is_vouched_for().then(|| client.name().to_owned()), ..Parties::default() };
        let found = self.find_user(client, &asked.hint, &request, &parties).await?;
        if found.user.is_none() && !self.ciba.hide_unknown_users {
            return Err(ErrorCode::UnknownUserId.into());
        }
        request.user = found.id;
        let known = found.user.is_some();
        (parties.user_name, parties.locale) = found.user.map_or((None, None), |user| (Some(user.name), user.locale));
        self.check_user_code(client, &request, &parties, asked.user_code.as_ref()).await?;
        // Until it is stored, it counts here for those that come at the same time.
        let _starting = self.may_reach(&client.id, &request.user, now).await?;

        let auth_req_id = Bearer::of_request(&transaction, self.random.bytes());
        let to_notify = self.to_notify(&transaction, &auth_req_id, &asked)?;
        // Finding the person may have taken time, which is not taken from theirs.
        let life = request.expires_at.duration_since(request.created_at);
        request.created_at = self.clock.now();
        request.expires_at = request.created_at + life;
        let note = self.review_request(&mut request, &parties).await?;
        let life = request.expires_at.duration_since(request.created_at).as_secs();
        let expires_in = u32::try_from(life).unwrap_or(asked.expires_in);
        if !known {
            // Nobody's are never read, and a client could fill the disk with them.
            request.particulars = None;
        }
        let new = NewRequest {
            request,
            auth_req_id: Some(auth_req_id.digest()),
            // A request for nobody waits for its end.
            notify: known.then_some(parties),
            note: note.map(Note::into_text),
            to_notify,
            spends: signed.iter().map(|signed| Spent { what: signed.identity.digest, until: signed.identity.until }).collect(),
            supersedes: client.metadata.supersede,
        };
        // Before it is stored: whoever is told of it then may be faster than this.
        self.origins.remember(transaction.as_str());
        match self.store.start(new).await? {
            Start::Stored(superseded) => {
                self.tally.count_many(Happened::Superseded, superseded.len());
                superseded.iter().for_each(|request| self.wakes.decided(&request.transaction, &request.user));
            }
            Start::Spent => return Err(request_object::refused("its jti was used before").into()),
        }
        self.tally.count(Happened::Started);
        self.wakes.job_added();
        let interval = (client.delivery() != DeliveryMode::Push).then(|| client.metadata.interval.unwrap_or(self.ciba.interval));
        Ok(Started { auth_req_id, transaction, expires_in, interval })
    }

    fn request_limits(&self) -> Limits {
        Limits {
            expires_in: self.ciba.expires_in,
            expires_in_max: self.ciba.expires_in_max,
            binding_message_characters: self.ciba.binding_message_characters,
        }
    }

    /// What is asked, of nobody yet.
    fn request(
        &self,
        client: &Client,
        asked: &BackchannelRequest,
        transaction: TransactionId,
        confirmation: Option<Confirmation>,
    ) -> Request {
        let now = self.clock.now();
        let particulars = Particulars {
            authorization_details: asked.authorization_details.clone(),
            resource: asked.resource.clone(),
            request_context: asked.request_context.clone(),
            confirmation,
            acr_minimum: None,
        };
        let any = particulars != Particulars::default();
        Request {
            transaction,
            client: client.id.clone(),
            user: UserId::nobody(""),
            scope: asked.scope.to_wire(),
            binding_message: asked.binding_message.as_ref().map(|message| message.as_str().to_owned()),
            acr_values: asked.acr_values.clone(),
            stored: Stored::Pending,
            created_at: now,
            expires_at: now + SignedDuration::from_secs(i64::from(asked.expires_in)),
            decided_at: None,
            delivery: client.delivery(),
            particulars: any.then(|| Arc::new(particulars)),
            evidence: None,
        }
    }

    /// What ping and push tell the client with: nothing for one that polls.
    fn to_notify(&self, transaction: &TransactionId, auth_req_id: &Bearer, asked: &BackchannelRequest) -> Result<Option<Vec<u8>>, Refused> {
        let Some(token) = &asked.client_notification_token else { return Ok(None) };
        let told = ToNotify { auth_req_id: auth_req_id.reveal().to_owned(), client_notification_token: token.to_string() };
        let plain = serde_json::to_vec(&told).map(zeroize::Zeroizing::new).map_err(|error| Refused::Internal(error.to_string()))?;
        Ok(Some(self.seal.seal(&plain, transaction.as_str().as_bytes())))
    }
}

/// What the tokens of a push are bound to: nothing but this request can show it. Whoever polls shows it then.
fn confirmation(client: &Client, holder: &Holder) -> Result<Option<Confirmation>, ProtocolError> {
    if client.delivery() == DeliveryMode::Push { holder.confirmation(&client.metadata) } else { Ok(None) }
}
