//! `resolve-hint`: who is meant.

use std::sync::Arc;

use super::super::{Flow, Refused};
use crate::protocol::transaction::Request;
use crate::runtime::{HintKind, Resolution, ResolveHint};
use crate::store::Parties;

impl Flow {
    /// Asks one plugin after the other until one knows such hints; [`Resolution::NotMine`] where none does, or none serves.
    /// The request has no person yet.
    ///
    /// # Errors
    /// One of them failed.
    pub(in super::super) async fn resolve_hint(
        &self,
        request: &Request,
        parties: &Parties,
        kind: HintKind,
        hint: impl FnOnce() -> String,
    ) -> Result<Resolution, Refused> {
        let Some(turns) = self.turns::<ResolveHint>(request.transaction.as_str()) else { return Ok(Resolution::NotMine) };
        let hint = hint();
        for turn in &turns {
            let transaction = Arc::new(self.view(turn, request, parties, None).await);
            match self.ask(turn, ResolveHint { transaction, kind: kind.clone(), hint: hint.clone() }).await? {
                None | Some((_, Resolution::NotMine)) => {}
                Some((_, resolution)) => return Ok(resolution),
            }
        }
        Ok(Resolution::NotMine)
    }
}
