//! The client asks for its tokens (CIBA Core 10 and 11).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::decide::BY_RULES;
use super::tally::Happened;
use super::{Flow, Refused};
use crate::protocol::backchannel::{Parameters, details, target};
use crate::protocol::client::{Client, ClientKind, DeliveryMode};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::holder::Holder;
use crate::protocol::identifier::{Digest, UnverifiedBearer};
use crate::protocol::pace::{Pace, Verdict};
use crate::protocol::tokens::TokenAnswer;
use crate::protocol::transaction::{Confirmation, Request, State};
use crate::protocol::{GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH};
use crate::runtime::Occasion;
use crate::store::StoreError;

/// How long after its redemption an `auth_req_id` may come again without being taken for stolen.
const REUSE_FORGIVEN: SignedDuration = SignedDuration::from_secs(60);
/// How long `auth_req_id` can be before it is not looked up, in bytes.
const AUTH_REQ_ID_LENGTH_MAX: usize = 256;

impl Flow {
    /// Answers a request for tokens, whichever grant it names.
    ///
    /// # Errors
    /// What the client is told instead of tokens.
    pub async fn token(&self, client: &Client, form: &Form, holder: &Holder) -> Result<TokenAnswer, Refused> {
        let grant_type = form.value("grant_type");
        let grant_type = grant_type.ok_or_else(|| ProtocolError::new(ErrorCode::InvalidRequest, "grant_type is missing"))?;
        if ![GRANT_TYPE_CIBA, GRANT_TYPE_REFRESH].contains(&grant_type) {
            return Err(ErrorCode::UnsupportedGrantType.into());
        }
        if client.kind != ClientKind::Ciba || !client.metadata.allows(grant_type) {
            return Err(ErrorCode::UnauthorizedClient.into());
        }
        self.check_served(client)?;
        if grant_type == GRANT_TYPE_REFRESH { self.refresh(client, form, holder).await } else { self.poll(client, form, holder).await }
    }

    /// Answers a poll. The order matters (CIBA Core 11): whose request it is; decided, whatever the pace; expired; too
    /// fast; pending.
    async fn poll(&self, client: &Client, form: &Form, holder: &Holder) -> Result<TokenAnswer, Refused> {
        if client.delivery() == DeliveryMode::Push {
            return Err(
                ProtocolError::new(ErrorCode::UnauthorizedClient, "this client is sent its tokens, and does not ask for them").into()
            );
        }
        let auth_req_id = UnverifiedBearer::read(form.required("auth_req_id", AUTH_REQ_ID_LENGTH_MAX)?);
        // Before the look-up: a poll without the certificate or proof that it needs is refused, whatever became of it.
        let confirmation = holder.confirmation(&client.metadata)?;
        let arrived = self.clock.now();
        let mut request = self.own_request(client, &auth_req_id).await?;
        let audience = audience(client, form, &request)?;
        if request.state(arrived) == State::Pending {
            let interval = client.metadata.interval.unwrap_or(self.ciba.interval);
            let pace = self.paces.poll(&auth_req_id.digest, &request, interval, arrived);
            if pace != Verdict::Fair {
                // Whoever polls again has given up on the poll that is held, if one is.
                self.paces.release(&auth_req_id.digest);
            }
            match pace {
                Verdict::Fair => {}
                Verdict::TooEarly => return Err(ErrorCode::SlowDown.into()),
                Verdict::Abusive => {
                    let what = "polled too early again and again: keep to the interval, with the seconds that slow_down added";
                    return Err(ProtocolError::new(ErrorCode::InvalidRequest, what).into());
                }
            }
            // Never under FAPI, whose clients are told the pace by the interval alone.
            if client.metadata.long_poll && client.metadata.fapi_profile.is_none() {
                request = self.hold(client, &auth_req_id, request).await?;
            }
        }
        match request.state(self.clock.now()) {
            State::Pending => Err(ErrorCode::AuthorizationPending.into()),
            State::Denied | State::Superseded => Err(ErrorCode::AccessDenied.into()),
            State::Expired => Err(ErrorCode::ExpiredToken.into()),
            State::Redeemed => {
                // Whoever comes long after has what somebody else had; before that it is a racing or repeated poll.
                if self.store.revoke_reused(&request.transaction, self.clock.now() - REUSE_FORGIVEN).await? {
                    tracing::warn!(transaction = %request.transaction, client = %client.id, "an auth_req_id was used again; what it gave is revoked.  do: find out who else has it");
                }
                Err(ErrorCode::InvalidGrant.into())
            }
            State::Approved => {
                let tokens = self.redeem(client, &request, confirmation, audience).await?;
                self.paces.forget(&auth_req_id.digest);
                Ok(tokens)
            }
        }
    }

    /// The request, if it is this client's. Another client's is as unknown as one that never was.
    async fn own_request(&self, client: &Client, auth_req_id: &UnverifiedBearer) -> Result<Request, Refused> {
        let found = self.store.request_by_auth_req_id(auth_req_id).await?;
        found.filter(|request| request.client == client.id).ok_or(ErrorCode::InvalidGrant.into())
    }

    /// Waits for a decision, as long as the client opted in to (CIBA Core 7.3). A second poll of the same request
    /// releases the first.
    async fn hold(&self, client: &Client, auth_req_id: &UnverifiedBearer, request: Request) -> Result<Request, Refused> {
        let mut wake = self.wakes.of_transaction(&request.transaction);
        // A decision between the look-up and the line above would be missed without a second look.
        let request = self.own_request(client, auth_req_id).await?;
        let now = self.clock.now();
        if request.state(now) != State::Pending {
            return Ok(request);
        }
        // Ends before the request does, so that the client hears "pending" and then "expired", each when it is true.
        let left = request.expires_at.duration_since(now) - SignedDuration::from_millis(500);
        let patience = Duration::try_from(left).unwrap_or_default().min(Duration::from_secs(u64::from(self.ciba.long_poll)));
        let overlap = self.paces.hold(&auth_req_id.digest);
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = wake.changed() => {}
            () = tokio::time::sleep(patience) => {}
            () = overlap.notified() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        self.own_request(client, auth_req_id).await
    }

    /// Mints, then swaps: of two racing polls one gets the tokens, and nothing leaves before it is stored.
    async fn redeem(
        &self,
        client: &Client,
        request: &Request,
        confirmation: Option<Confirmation>,
        audience: Vec<String>,
    ) -> Result<TokenAnswer, Refused> {
        let Some(changes) = self.issue_tokens(request, Occasion::Redeem).await? else {
            let code = if self.withhold(request).await? { ErrorCode::AccessDenied } else { ErrorCode::InvalidGrant };
            return Err(code.into());
        };
        let minted = self.mint(client, request, confirmation, audience, changes, None).await?;
        if !self.store.redeem(&request.transaction, minted.grant, None, self.clock.now()).await? {
            return Err(ErrorCode::InvalidGrant.into());
        }
        tracing::debug!(transaction = %request.transaction, client = %client.id, "redeemed");
        self.tally.count(Happened::Redeemed);
        Ok(minted.answer)
    }

    /// A plugin gives no tokens for an approval, which is used up by that. `false` when it was before.
    pub(super) async fn withhold(&self, request: &Request) -> Result<bool, StoreError> {
        let withheld = self.store.withhold(&request.transaction, BY_RULES, self.clock.now()).await?;
        if withheld {
            self.tally.count(Happened::Withheld);
            self.wakes.decided(&request.transaction, &request.user);
        }
        Ok(withheld)
    }
}

/// What the access token is to be for, as the client says when it asks for it (RFC 8707 2.2). Of `authorization_details` it
/// says nothing new then (RFC 9396 6).
pub(super) fn audience(client: &Client, form: &Form, request: &Request) -> Result<Vec<String>, ProtocolError> {
    let granted = request.particulars.as_deref();
    let audience = target::narrowed(target::parse(Parameters::Form(form))?, granted.map_or(&[], |granted| &granted.resource))?;
    let asked = details::parse(Parameters::Form(form), &client.metadata)?;
    details::said_again(asked.as_ref(), granted.and_then(|granted| granted.authorization_details.as_ref()))?;
    Ok(audience)
}

/// The pace of every request that is polled. In memory: a restart means leniency.
#[derive(Default)]
pub struct Paces(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    polled: HashMap<Digest, Polled>,
    /// How many there may be before those that expired are swept out.
    sweep_at: usize,
}

struct Polled {
    pace: Pace,
    expires_at: Timestamp,
    held: Option<Arc<Notify>>,
}

/// How many requests are remembered at least before any are swept out.
const SWEEP_AT: usize = 10_000;

impl Paces {
    fn poll(&self, auth_req_id: &Digest, request: &Request, interval: u32, now: Timestamp) -> Verdict {
        let mut paces = self.lock();
        if paces.polled.len() >= paces.sweep_at.max(SWEEP_AT) && !paces.polled.contains_key(auth_req_id) {
            paces.polled.retain(|_, polled| polled.expires_at > now);
            // Twice what lives: a sweep costs each request no more than a share.
            paces.sweep_at = paces.polled.len() * 2;
        }
        let new = || Polled { pace: Pace::new(interval), expires_at: request.expires_at, held: None };
        paces.polled.entry(*auth_req_id).or_insert_with(new).pace.poll(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the poll that is held for this request, if one is, and takes its place.
    fn hold(&self, auth_req_id: &Digest) -> Arc<Notify> {
        let mine = Arc::new(Notify::new());
        self.replace_held(auth_req_id, Some(Arc::clone(&mine)));
        mine
    }

    /// Releases the poll that is held for this request, if one is.
    fn release(&self, auth_req_id: &Digest) {
        self.replace_held(auth_req_id, None);
    }

    fn replace_held(&self, auth_req_id: &Digest, next: Option<Arc<Notify>>) {
        if let Some(polled) = self.lock().polled.get_mut(auth_req_id)
            && let Some(earlier) = std::mem::replace(&mut polled.held, next)
        {
            earlier.notify_one();
        }
    }

    fn forget(&self, auth_req_id: &Digest) {
        self.lock().polled.remove(auth_req_id);
    }
}
