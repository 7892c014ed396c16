//! The client asks for its tokens (CIBA Core 10 and 11).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::{Flow, Refused};
use crate::protocol::GRANT_TYPE_CIBA;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::client::{Client, ClientKind, DeliveryMode};
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::form::Form;
use crate::protocol::identifier::{Bearer, Digest, UnverifiedAuthReqId};
use crate::protocol::pace::{Pace, Verdict};
use crate::protocol::tokens::{IdTokenClaims, NewAccessToken, NewGrant, access_token_hash};
use crate::protocol::transaction::{Request, State};

/// Tokens, shown once.
#[derive(Debug)]
pub struct Tokens {
    /// Opaque.
    pub access_token: Bearer,
    /// Signed.
    pub id_token: String,
    /// Seconds.
    pub expires_in: u32,
    /// What was granted.
    pub scope: String,
}

/// How long `auth_req_id` can be before it is not looked up, in bytes.
const AUTH_REQ_ID_LENGTH_MAX: usize = 256;

impl Flow {
    /// Answers a poll. The order matters: whose request it is; decided, whatever the pace; expired; too fast;
    /// pending.
    ///
    /// # Errors
    /// What the client is told instead of tokens.
    pub async fn poll(&self, client: &Client, form: &Form) -> Result<Tokens, Refused> {
        match form.value("grant_type") {
            Some(GRANT_TYPE_CIBA) => {}
            Some(_) => return Err(ErrorCode::UnsupportedGrantType.into()),
            None => return Err(ProtocolError::new(ErrorCode::InvalidRequest, "grant_type is missing").into()),
        }
        if client.kind != ClientKind::Ciba || client.delivery() == DeliveryMode::Push {
            return Err(ErrorCode::UnauthorizedClient.into());
        }
        let auth_req_id = UnverifiedAuthReqId::read(form.required("auth_req_id", AUTH_REQ_ID_LENGTH_MAX)?);
        let arrived = self.clock.now();
        let mut request = self.own_request(client, &auth_req_id).await?;
        if request.state(arrived) == State::Pending {
            if self.paces.poll(&auth_req_id.digest, &request, self.ciba.interval, arrived) == Verdict::TooEarly {
                // Whoever polls again has given up on the poll that is held, if one is.
                self.paces.release(&auth_req_id.digest);
                return Err(ErrorCode::SlowDown.into());
            }
            if client.metadata.long_poll {
                request = self.hold(client, &auth_req_id, request).await?;
            }
        }
        match request.state(self.clock.now()) {
            State::Pending => Err(ErrorCode::AuthorizationPending.into()),
            State::Denied | State::Superseded => Err(ErrorCode::AccessDenied.into()),
            State::Expired => Err(ErrorCode::ExpiredToken.into()),
            State::Redeemed => Err(ErrorCode::InvalidGrant.into()),
            State::Approved => {
                let tokens = self.redeem(client, &request).await?;
                self.paces.forget(&auth_req_id.digest);
                Ok(tokens)
            }
        }
    }

    /// The request, if it is this client's. Another client's is as unknown as one that never was.
    async fn own_request(&self, client: &Client, auth_req_id: &UnverifiedAuthReqId) -> Result<Request, Refused> {
        let found = self.store.request_by_auth_req_id(auth_req_id).await?;
        found.filter(|request| request.client == client.id).ok_or(ErrorCode::InvalidGrant.into())
    }

    /// Waits for a decision, as long as the client opted in to (CIBA Core 7.3). A second poll of the same request
    /// releases the first.
    async fn hold(&self, client: &Client, auth_req_id: &UnverifiedAuthReqId, request: Request) -> Result<Request, Refused> {
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
    async fn redeem(&self, client: &Client, request: &Request) -> Result<Tokens, Refused> {
        let now = self.clock.now();
        let access_token = Bearer::of_request(&request.transaction, self.random.bytes());
        let claims = IdTokenClaims {
            iss: &self.issuer,
            sub: &request.user,
            aud: &client.id,
            exp: now.as_second() + i64::from(self.ciba.id_token_expires_in),
            iat: now.as_second(),
            auth_time: request.decided_at.unwrap_or(now).as_second(),
            at_hash: access_token_hash(&access_token),
        };
        let id_token = self.keys.sign(JwsAlgorithm::Es256, "JWT", &claims).map_err(|error| Refused::Internal(error.to_string()))?;
        let expires_in = self.ciba.access_token_expires_in;
        let expires_at = now + SignedDuration::from_secs(i64::from(expires_in));
        let access = NewAccessToken { digest: access_token.digest(), expires_at, confirmation: None, audience: Vec::new() };
        let grant = NewGrant { access_token: access, refresh_token: None };
        if !self.store.redeem(&request.transaction, grant, None, now).await? {
            return Err(ErrorCode::InvalidGrant.into());
        }
        tracing::debug!(transaction = %request.transaction, client = %client.id, "redeemed");
        Ok(Tokens { access_token, id_token, expires_in, scope: request.scope.clone() })
    }
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
