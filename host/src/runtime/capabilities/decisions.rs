//! `decisions`: what a person decided, learned by ways of the plugin's own.
//!
//! The flow decides, and stands above this room: it is handed in as a [`Decider`] when the host starts. What it is told
//! comes from the host but for request, person and answer, so that a plugin can say neither who it is nor what was
//! proved.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use tracing::Instrument as _;

use super::super::contract::ciba::interception::decisions::{Decision, Host, Outcome};
use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::guest::Guest;
use super::super::hooks::{Hook as _, ReviewDecision};
use crate::protocol::identifier::{TransactionId, UserId};
use crate::protocol::plugin::PluginName;
use crate::protocol::transaction;

/// Decisions that one call of a hook submits.
const CALLS_MAX: u32 = 10;

/// Takes what plugins submit.
pub trait Decider: Send + Sync {
    /// Decides for this person, if they are the one who was asked.
    fn decide(self: Arc<Self>, submitted: Submitted) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}

/// A decision that a plugin submits.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Who submits it.
    pub plugin: PluginName,
    /// About which request.
    pub transaction: TransactionId,
    /// Who decided, as the plugin says.
    pub user: UserId,
    /// What.
    pub decision: transaction::Decision,
}

/// Where decisions go: threads that no guest holds up, and the flow.
pub(in super::super) struct Deciding {
    pub(in super::super) threads: tokio::runtime::Handle,
    pub(in super::super) decider: Weak<dyn Decider>,
}

impl Host for Guest {
    async fn submit(&mut self, transaction_id: String, user_id: String, what: Decision) -> Result<Outcome, Refusal> {
        if !self.log.shared.permissions().decide {
            return Err(self.not_permitted("decide", "--decide"));
        }
        // It would be asked about its own answer, and could go on like that.
        if self.hook == ReviewDecision::NAME {
            return Err(Refusal::Unavailable("not while a decision is reviewed: answer `deny` or `ask-again`".to_owned()));
        }
        if self.decisions == CALLS_MAX {
            return Err(Refusal::OverLimit(format!("{CALLS_MAX} decisions in one call of a hook")));
        }
        self.decisions += 1;
        let Some((threads, decider)) = self.house.deciding.get().and_then(|to| Some((to.threads.clone(), to.decider.upgrade()?))) else {
            return Err(Refusal::Unavailable("this host does not decide".to_owned()));
        };
        let submitted = Submitted {
            plugin: self.log.shared.name.clone(),
            transaction: TransactionId(transaction_id),
            user: UserId(user_id),
            decision: match what {
                Decision::Approve => transaction::Decision::Approve,
                Decision::Deny => transaction::Decision::Deny,
            },
        };
        // To the end, whatever becomes of this call: who waits for the decision is told of it.
        let decided = threads.spawn(decider.decide(submitted).in_current_span()).await;
        decided.map_err(|_| Refusal::Unavailable("the host failed to decide: its log says why".to_owned()))
    }
}
