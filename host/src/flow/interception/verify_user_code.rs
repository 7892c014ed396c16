//! `verify-user-code`: whether a code is the person's.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::{Flow, Refused};
use crate::protocol::transaction::Request;
use crate::runtime::{CodeVerdict, VerifyUserCode};
use crate::store::Parties;

impl Flow {
    /// Whether there is a plugin that may keep a person's code, so that nobody can be asked without one.
    pub(in super::super) fn plugins_keep_codes(&self) -> bool {
        self.serving::<VerifyUserCode>().is_some()
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
        let Some(serving) = self.serving::<VerifyUserCode>() else { return Ok(CodeVerdict::NotMine) };
        for version in &*serving {
            let transaction = Arc::new(self.view(version, request, parties, None).await);
            match self.ask(version, VerifyUserCode { transaction, code: code.clone() }).await? {
                None | Some(CodeVerdict::NotMine) => {}
                Some(verdict) => return Ok(verdict),
            }
        }
        Ok(CodeVerdict::NotMine)
    }
}
