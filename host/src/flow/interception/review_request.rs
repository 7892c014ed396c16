//! `review-request`: whether the person is asked, and for what.

use std::sync::Arc;

use jiff::SignedDuration;

use super::super::{Flow, Refused};
use super::unusable;
use crate::protocol::error::ErrorCode;
use crate::protocol::note::Note;
use crate::protocol::transaction::Request;
use crate::runtime::{Adjustment, CallFailure, RequestVerdict, ReviewRequest};
use crate::store::Parties;

/// The shortest life that a plugin can give a request, in seconds.
const LIFE_MIN: u32 = 5;

impl Flow {
    /// Asks every plugin, each with what the ones before it left. Answers the note that the person sees.
    ///
    /// # Errors
    /// One of them refuses the request, or failed.
    pub(in super::super) async fn review_request(&self, request: &mut Request, parties: &Parties) -> Result<Option<Note>, Refused> {
        let Some(turns) = self.turns::<ReviewRequest>(request.transaction.as_str()) else { return Ok(None) };
        let mut note = None;
        for turn in &turns {
            let transaction = Arc::new(self.view(turn, request, parties, None).await);
            let Some((version, verdict)) = self.ask(turn, ReviewRequest { transaction }).await? else { continue };
            match verdict {
                RequestVerdict::Refuse(why) => {
                    tracing::info!(transaction = %request.transaction, plugin = %version.name, %why, "a plugin refused a request");
                    return Err(ErrorCode::AccessDenied.into());
                }
                RequestVerdict::Ask(adjustments) => match self.adjusted(request, &adjustments) {
                    Ok(adjusted) => {
                        *request = adjusted;
                        note = note.or_else(|| note_in(adjustments));
                    }
                    Err(failure) => unusable::<ReviewRequest>(version, &failure)?,
                },
            }
        }
        Ok(note)
    }

    /// The request with all of the adjustments, or with none of them.
    fn adjusted(&self, request: &Request, adjustments: &[Adjustment]) -> Result<Request, CallFailure> {
        let mut request = request.clone();
        for adjustment in adjustments {
            match adjustment {
                Adjustment::RequireAcr(acr) => {
                    let rank = |acr: &str| self.authenticators.order.iter().position(|known| known == acr);
                    let Some(rank_of_new) = rank(acr) else {
                        return Err(CallFailure::Answer("required an acr that is not in authenticators.order".to_owned()));
                    };
                    let mut particulars = request.particulars();
                    if particulars.acr_minimum.as_deref().and_then(rank).is_none_or(|before| before < rank_of_new) {
                        particulars.acr_minimum = Some(acr.clone());
                        request.particulars = Some(Arc::new(particulars));
                    }
                }
                Adjustment::DropScope(value) if value == "openid" => {
                    return Err(CallFailure::Answer("dropped the scope openid, without which there is no request".to_owned()));
                }
                Adjustment::DropScope(value) => {
                    request.scope = request.scope.split(' ').filter(|asked| asked != value).collect::<Vec<_>>().join(" ");
                }
                Adjustment::ExpireWithin(seconds) => {
                    let end = request.created_at + SignedDuration::from_secs(i64::from((*seconds).max(LIFE_MIN)));
                    request.expires_at = request.expires_at.min(end);
                }
                Adjustment::Note(_) => {}
            }
        }
        Ok(request)
    }
}

fn note_in(adjustments: Vec<Adjustment>) -> Option<Note> {
    adjustments.into_iter().find_map(|adjustment| if let Adjustment::Note(note) = adjustment { Some(note) } else { None })
}
