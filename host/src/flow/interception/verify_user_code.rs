//! `verify-user-code`: whether a code is the person's.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::{Flow, Refused};
use crate::protocol::transaction::Request;
use crate::runtime::{CodeVerdict, VerifyUserCode};
use crate::store::Parties;

impl Flow {
    /// Whether there is a plugin that may keep a person's code, so that nobody can be asked without one.
    pub(in super::super) fn plugins_keep_codes(&self, request: &Request) -> bool {
        let turns = self.turns::<VerifyUserCode>(request.transaction.as_str()).unwrap_or_default();
        turns.iter().any(|turn| turn.version.is_some())
    }

    /// Asks one plugin after the other until one keeps a code of this person; [`CodeVerdict::NotMine`] where none does, or
    /// none serves. Nobody's code is asked about like anybody's.
    ///
    /// # Errors
    /// One of them failed.
    pub(in super::super) async fn verify_user_code(
        &self,
        request: &Request,
        parties: &Parties,
        code: &Zeroizing<String>,
    ) -> Result<CodeVerdict, Refused> {
        let Some(turns) = self.turns::<VerifyUserCode>(request.transaction.as_str()) else { return Ok(CodeVerdict::NotMine) };
        for turn in &turns {
            let transaction = Arc::new(self.view(turn, request, parties, None).await);
            match self.ask(turn, VerifyUserCode { transaction, code: code.clone() }).await? {
                None | Some((_, CodeVerdict::NotMine)) => {}
                Some((_, verdict)) => return Ok(verdict),
            }
        }
        Ok(CodeVerdict::NotMine)
    }
}
