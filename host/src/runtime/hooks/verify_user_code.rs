//! `verify-user-code`: compare the code that the person gave to the client.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance;
use zeroize::Zeroizing;

use super::super::guest::Guest;
use super::super::transaction::TransactionView;
use super::super::version::{CallFailure, Callable};
use super::exported::verify_user_code as wit;
use super::{Comparable, Hook, Lent, Said};

/// Asks whether a code is the person's.
#[derive(Clone)]
pub struct VerifyUserCode {
    /// The request.
    pub transaction: Arc<TransactionView>,
    /// The code.
    pub code: Zeroizing<String>,
}

/// Whether it is the person's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeVerdict {
    /// The plugin keeps no code of this person.
    NotMine,
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl Hook for VerifyUserCode {
    const NAME: &'static str = "verify-user-code";
    type Answer = CodeVerdict;

    async fn call(
        self,
        plugin: &Callable,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<CodeVerdict, CallFailure>> {
        let Some(indices) = &plugin.hooks.verify_user_code else { return Ok(Err(CallFailure::NoHook(Self::NAME))) };
        let guest = indices.load(&mut *store, instance)?;
        let secrets = Arc::new(plugin.secrets.and(&self.code));
        store.data().log.hide(Arc::clone(&secrets));
        let blank = |said: String| secrets.blank(&said).into_owned();
        let lent = Lent::new(store, self.transaction)?;
        let said = guest.call_verify(&mut *store, lent.borrow(), &self.code).await?;
        lent.take_back(store)?;
        Ok(said.map_err(|error| plugin.failed(error.map(blank))).and_then(|verdict| match verdict {
            wit::Verdict::NotMine => Ok(CodeVerdict::NotMine),
            wit::Verdict::Right => Ok(CodeVerdict::Right),
            wit::Verdict::Wrong => Ok(CodeVerdict::Wrong),
            wit::Verdict::Other(what) => Err(plugin.unknown(&blank(what))),
        }))
    }
}

impl Comparable for VerifyUserCode {
    const NEUTRAL: &'static str = "not-mine";

    fn about(&self) -> Option<&str> {
        Some(self.transaction.id.as_str())
    }

    fn said(answer: &Self::Answer) -> Said {
        Said::new(match answer {
            CodeVerdict::NotMine => Self::NEUTRAL,
            CodeVerdict::Right => "right",
            CodeVerdict::Wrong => "wrong",
        })
    }
}
