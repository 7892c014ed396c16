//! What a client in ping or push mode is told, where, and with what (CIBA Core 10.2, 10.3 and 12).

use bytes::Bytes;
use hyper::header::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use url::Url;
use zeroize::Zeroizing;

use super::tally::Happened;
use super::{Flow, Refused};
use crate::protocol::client::{Client, DeliveryMode};
use crate::protocol::error::ErrorCode;
use crate::protocol::notification::{Ping, PushError, ToNotify};
use crate::protocol::transaction::{Request, State, Stored};
use crate::runtime::Occasion;
use crate::store::{Job, PushBody, StoreError};

/// Who is told.
#[derive(Debug)]
pub struct Recipient {
    /// As it is registered now.
    pub client: Client,
    /// Its notification endpoint.
    pub endpoint: Url,
}

/// What a job has to say.
pub enum Said {
    /// This.
    Notice(Notice),
    /// Nothing: the client has what it needs, or there is nothing left of it.
    Nothing,
    /// What was to be said cannot be had, and nothing brings it back.
    Lost,
}

/// What is sent.
pub struct Notice {
    /// `Authorization`, with the token that the client gave for this request.
    pub authorization: HeaderValue,
    /// JSON. The same bytes at every try.
    pub body: Bytes,
    /// How long it is worth sending.
    pub worth: Worth,
}

/// How long something is worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Until then: there are tokens in it, or to be had for it.
    Until(Timestamp),
    /// For a few tries: the request has ended, and the client would find out by itself.
    FewTries,
}

impl Flow {
    /// Whom a job tells. Nobody, when the client is not registered any more, or for another delivery mode.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn recipient(&self, request: &Request) -> Result<Option<Recipient>, StoreError> {
        let Some(client) = self.registered(&request.client).await?.filter(|client| client.delivery() == request.delivery) else {
            return Ok(None);
        };
        let endpoint = client.metadata.backchannel_client_notification_endpoint.as_deref().and_then(|url| Url::parse(url).ok());
        Ok(endpoint.map(|endpoint| Recipient { client, endpoint }))
    }

    /// What a job says now. In push mode the tokens of an approved request are made here, once, and stored with what they
    /// are sent in.
    ///
    /// # Errors
    /// Why it cannot be said now.
    pub async fn say(&self, job: &Job, recipient: &Recipient) -> Result<Said, Refused> {
        let request = &job.request;
        let Some((to_notify, authorization)) = self.told_with(job) else { return Ok(Said::Lost) };
        let said = match request.delivery {
            DeliveryMode::Poll => None,
            DeliveryMode::Ping => self.ping(request, &to_notify)?,
            DeliveryMode::Push => self.push(request, &to_notify, recipient).await?,
        };
        Ok(said.map_or(Said::Nothing, |(body, worth)| Said::Notice(Notice { authorization, body, worth })))
    }

    /// There is news: the client asks for it.
    fn ping(&self, request: &Request, to_notify: &ToNotify) -> Result<Option<(Bytes, Worth)>, Refused> {
        let worth = match request.state(self.clock.now()) {
            // It asked without being told.
            State::Redeemed => return Ok(None),
            State::Expired if request.stored == Stored::Approved => return Ok(None),
            State::Pending | State::Denied | State::Superseded | State::Expired => Worth::FewTries,
            State::Approved => Worth::Until(request.redeem_until()),
        };
        Ok(Some((json(&Ping { auth_req_id: &to_notify.auth_req_id })?, worth)))
    }

    /// The news itself.
    async fn push(&self, request: &Request, to_notify: &ToNotify, recipient: &Recipient) -> Result<Option<(Bytes, Worth)>, Refused> {
        let error = match request.state(self.clock.now()) {
            State::Approved | State::Redeemed => {
                let kept = match self.store.push_body(&request.transaction).await? {
                    Some(kept) => Some(kept),
                    None if request.stored == Stored::Approved => self.redeem_by_push(request, to_notify, &recipient.client).await?,
                    None => None,
                };
                match kept {
                    Some(kept) => {
                        let body = self.seal.open(&kept.sealed, &body_context(request));
                        let body = body.ok_or_else(|| internal("the body of a push cannot be opened"))?;
                        return Ok(Some((Bytes::copy_from_slice(&body), Worth::Until(kept.deadline))));
                    }
                    // It was taken back before it arrived: the person said that it was not them. Or a plugin withheld it.
                    None => ErrorCode::AccessDenied,
                }
            }
            State::Denied if request.is_given_up() => ErrorCode::TransactionFailed,
            State::Denied | State::Superseded => ErrorCode::AccessDenied,
            // Approved, and no tokens could be made in time.
            State::Expired if request.stored == Stored::Approved => ErrorCode::TransactionFailed,
            State::Expired | State::Pending => ErrorCode::ExpiredToken,
        };
        let body = json(&PushError { error, error_description: error.sentence(), auth_req_id: &to_notify.auth_req_id })?;
        Ok(Some((body, Worth::FewTries)))
    }

    /// Mints, then swaps `approved → redeemed` with the grant and the body in one write. Nothing, where a plugin gives no
    /// tokens.
    async fn redeem_by_push(&self, request: &Request, to_notify: &ToNotify, client: &Client) -> Result<Option<PushBody>, Refused> {
        let changed = || internal("the request changed while its tokens were made");
        let Some(changes) = self.issue_tokens(request, Occasion::Push).await? else {
            return if self.withhold(request).await? { Ok(None) } else { Err(changed()) };
        };
        let now = self.clock.now();
        // What the client proved to hold when it asked is what the tokens are bound to.
        let particulars = request.particulars();
        let pushed = Some(&*to_notify.auth_req_id);
        let minted = self.mint(client, request, particulars.confirmation, particulars.resource, changes, pushed).await?;
        let body = Zeroizing::new(minted.answer.to_json(Some(&to_notify.auth_req_id)).to_string());
        let deadline = now + SignedDuration::from_hours(i64::from(self.ciba.push_hours));
        let push = PushBody { sealed: self.seal.seal(body.as_bytes(), &body_context(request)), deadline };
        let redeemed = self.store.redeem(&request.transaction, minted.grant, Some(push.clone()), now).await?;
        if redeemed {
            self.tally.count(Happened::Pushed);
        }
        // Whoever comes again finds what it has become.
        if redeemed { Ok(Some(push)) } else { Err(changed()) }
    }

    /// What was sealed when the request was made, and the header it makes.
    fn told_with(&self, job: &Job) -> Option<(ToNotify, HeaderValue)> {
        let opened = self.seal.open(job.to_notify.as_deref()?, job.request.transaction.as_str().as_bytes())?;
        let to_notify: ToNotify = serde_json::from_slice(&opened).ok()?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", to_notify.client_notification_token)).ok()?;
        authorization.set_sensitive(true);
        Some((to_notify, authorization))
    }
}

/// What stands in a push cannot be opened as what it is sent with, nor as that of another request.
fn body_context(request: &Request) -> Vec<u8> {
    [b"push ", request.transaction.as_str().as_bytes()].concat()
}

fn json(body: &impl serde::Serialize) -> Result<Bytes, Refused> {
    serde_json::to_vec(body).map(Bytes::from).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> Refused {
    Refused::Internal(error.to_string())
}
