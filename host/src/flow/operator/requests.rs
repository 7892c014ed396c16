//! What operators see of requests, and decide in the demo.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NotDone, Operator};
use crate::flow::decide::{Answered, By};
use crate::protocol::client::DeliveryMode;
use crate::protocol::identifier::{ClientId, TransactionId};
use crate::protocol::transaction::Decision;
use crate::store::{Listed, Notified, Telling};

/// A request as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    /// What plugins and devices call it.
    pub transaction: TransactionId,
    /// Username, or the identifier of somebody who is gone. Nothing, where the hint named nobody.
    pub user: Option<String>,
    /// `client_id`.
    pub client: ClientId,
    /// `pending`, `approved`, `denied`, `redeemed` or `expired`.
    pub state: String,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When deciding ends.
    pub expires_at: Timestamp,
    /// How devices were reached.
    pub notified: Vec<Notified>,
    /// `poll`, `ping` or `push`.
    pub delivery: String,
    /// How far the client is told how it ended, in ping and push mode.
    pub told: Option<Telling>,
}

impl Operator {
    pub(super) async fn decide(&self, transaction: TransactionId, decision: Decision) -> Result<Value, NotDone> {
        let flow = self.running("an operator decides only in a host that runs")?;
        if !flow.demo {
            return Err(NotDone::Asked(
                "an operator is not the person: `request approve` and `request deny` work in the demo mode only".to_owned(),
            ));
        }
        let listed = self.store.request(&transaction).await?.ok_or_else(|| no_request(&transaction))?;
        let client = flow.registered(&listed.request.client).await?;
        if client.is_some_and(|client| client.metadata.fapi_profile.is_some()) {
            return Err(NotDone::Asked("this client keeps to a FAPI profile: only the person decides its requests".to_owned()));
        }
        let what = match decision {
            Decision::Approve => "request approve",
            Decision::Deny => "request deny",
        };
        let audit = self.audit(what, transaction.as_str());
        match flow.decide(&transaction, &listed.request.user, decision, By::Operator, Some(audit)).await? {
            Answered::Now(card) => {
                let state = card.request.stored;
                let by = if state == decision.leads_to() { "operator" } else { "plugin" };
                Ok(json!({ "transaction": transaction, "state": state.as_str(), "decided_by": by }))
            }
            Answered::AskAgain(_, note) => {
                Err(NotDone::Asked(format!("the request waits on: a plugin lets this answer not count, and says: {}", note.into_text())))
            }
            Answered::Unreviewed(_) => Err(NotDone::Asked(
                "the request waits on: a plugin that reviews decisions failed; `ciba-host plugin log` says why".to_owned(),
            )),
            Answered::Not(card) => {
                let state = card.map_or("gone", |card| card.request.state(self.clock.now()).as_str());
                Err(NotDone::Asked(format!("the request is {state}; only a pending one can be decided")))
            }
        }
    }
}

pub(super) fn no_request(transaction: &TransactionId) -> NotDone {
    NotDone::Asked(format!("there is no request {transaction}; `ciba-host request list` shows the latest"))
}

pub(super) fn request_view(listed: Listed, now: Timestamp) -> RequestView {
    RequestView {
        state: listed.request.state(now).as_str().to_owned(),
        user: listed.username.or_else(|| (!listed.request.user.is_nobody()).then(|| listed.request.user.0.clone())),
        delivery: listed.request.delivery.as_str().to_owned(),
        told: (listed.request.delivery != DeliveryMode::Poll).then_some(listed.telling),
        transaction: listed.request.transaction,
        client: listed.request.client,
        created_at: listed.request.created_at,
        expires_at: listed.request.expires_at,
        notified: listed.notified,
    }
}
