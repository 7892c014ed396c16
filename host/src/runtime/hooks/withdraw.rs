//! `withdraw`: take a notification back.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::{Comparable, Hook, Lent, Said};

pub use super::exported::withdraw::Reason as WithdrawReason;

/// Withdraws what `notify` sent to `transaction.device`.
#[derive(Clone)]
pub struct Withdraw {
    /// The request, and the device.
    pub transaction: Arc<TransactionView>,
    /// What `notify` accepted with.
    pub reference: String,
    /// Why it is no longer needed.
    pub why: WithdrawReason,
}

impl Hook for Withdraw {
    const NAME: &'static str = "withdraw";
    type Answer = ();

    async fn call(self, plugin: &Callable, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<Result<(), CallFailure>> {
        let Some(indices) = &plugin.hooks.withdraw else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_withdraw(&mut *store, lent.borrow(), &self.reference, &self.why).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error)))
    }
}

impl Comparable for Withdraw {
    const NEUTRAL: &'static str = "nothing is withdrawn";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said((): &Self::Answer) -> Said {
        Said::new("withdrawn")
    }
}
