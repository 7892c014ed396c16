//! A hook is asked of whoever's turn it is, and then of the shadows, whose answers are compared with that one's.
//!
//! Nobody waits for a shadow. It is called when the answer that counts is there, in places that are kept apart for shadows,
//! and nothing that it wants done is done: that is seen to where the guest asks for it ([`super::withheld`]).

use std::sync::Arc;

use tracing::Instrument as _;

use super::comparison::{Call, Comparison, Difference, Verdict};
use super::hooks::{Comparable, Said};
use super::shared::one_line;
use super::stands::Turn;
use super::version::{CallFailure, Report, Version};
use super::withheld::ActKind;
use super::{InboxMessage, Runtime, Urgency};
use crate::traces::{Here, SPAN};

/// The answer that counts, for those that are compared with it.
struct Counted {
    /// Whose it is.
    by: Option<String>,
    /// The answer, or why there is none.
    said: Result<Said, CallFailure>,
}

impl Runtime {
    /// Asks whoever's turn it is, and the shadows when there is an answer. Nothing where it is nobody's turn.
    pub async fn ask<H: Comparable>(self: &Arc<Self>, turn: &Turn, hook: H, urgency: Urgency) -> Option<Report<H::Answer>> {
        let copy = (!turn.shadows.is_empty()).then(|| hook.clone());
        let report = match &turn.version {
            Some(version) => Some(self.call(version, hook, urgency).await),
            None => None,
        };
        if let Some(hook) = copy {
            let by = turn.version.as_ref().map(|version| version.in_words());
            let said = report.as_ref().map_or_else(|| Ok(Said::neutral::<H>()), |report| said::<H>(&report.result, report.inbox.as_ref()));
            let counted = Arc::new(Counted { by, said });
            let here = Here::now();
            for shadow in &turn.shadows {
                let (runtime, shadow, hook, counted) = (Arc::clone(self), Arc::clone(shadow), hook.clone(), Arc::clone(&counted));
                let span = span_of(&shadow, &here);
                self.guests().spawn(async move { runtime.ask_shadow(&shadow, hook, &counted).await }.instrument(span));
            }
        }
        report
    }

    /// Tells a shadow of something to which there is no answer.
    pub async fn tell_shadow<H: Comparable>(&self, shadow: &Arc<Version>, hook: H) {
        self.ask_shadow(shadow, hook, &Counted { by: None, said: Ok(Said::neutral::<H>()) }).await;
    }

    async fn ask_shadow<H: Comparable>(&self, shadow: &Arc<Version>, hook: H, counted: &Counted) {
        let Some(comparison) = &shadow.callable.comparison else { return };
        // Where there was no place for the call that counts, there is none for another.
        if matches!(counted.said, Err(CallFailure::Busy(_))) {
            return comparison.count(H::NAME, Verdict::Missed);
        }
        let about = hook.about().map(str::to_owned);
        let report = self.call(shadow, hook, Urgency::Shadow).await;
        let call = Call { at: self.clock.now(), hook: H::NAME, about: about.as_deref() };
        let withheld = report.withheld.unwrap_or_default();
        let (depends, inbox) = (withheld.depends, withheld.inbox.clone());
        if withheld.counts.contains_key(&ActKind::Storage) {
            comparison.lacks_a_value();
        }
        comparison.keep_withheld(&call, withheld);
        let answer = said::<H>(&report.result, inbox.as_ref());
        comparison.compare(&call, counted, answer, depends);
    }
}

/// What is asked of a shadow belongs to the trace of the call beside which it is asked, and does not keep that one's span open.
fn span_of(shadow: &Version, here: &Here) -> tracing::Span {
    let span = tracing::trace_span!(target: SPAN, "shadow", otel.name = format!("shadow {}", shadow.name));
    here.join(&span);
    span
}

impl Comparison {
    fn compare(&self, call: &Call<'_>, counted: &Counted, answer: Result<Said, CallFailure>, depends: bool) {
        let verdict = match (&answer, &counted.said) {
            (Err(CallFailure::Busy(_)), _) => Verdict::Missed,
            // Also where it failed: it may have failed for want of what was not done.
            _ if depends => Verdict::NotComparable,
            (Err(_), _) => Verdict::Failed,
            (Ok(answer), Ok(counted)) if answer == counted => Verdict::Same,
            (Ok(_), _) => Verdict::Different,
        };
        self.count(call.hook, verdict);
        let (Verdict::Different, Ok(answer)) = (verdict, answer) else { return };
        let other = counted.said.as_ref();
        self.keep(Difference {
            at: call.at,
            hook: call.hook.to_owned(),
            about: call.about.map(str::to_owned),
            beside: counted.by.clone(),
            enforced: one_line(&other.map_or_else(|failure| format!("failed {failure}"), |said| said.in_words(None))),
            shadow: one_line(&answer.in_words(other.ok())),
        });
    }
}

/// An answer, with what was put on the device page on the way.
fn said<H: Comparable>(result: &Result<H::Answer, CallFailure>, inbox: Option<&InboxMessage>) -> Result<Said, CallFailure> {
    let said = H::said(result.as_ref().map_err(CallFailure::clone)?);
    Ok(match inbox {
        Some(message) => said.hidden("device page", message.note.clone().unwrap_or_default()),
        None => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::time::Duration;

    #[test]
    fn an_answer_that_hangs_on_what_was_not_done_is_not_compared() {
        let call = Call { at: Timestamp::UNIX_EPOCH, hook: "review-request", about: Some("tx") };
        let (ask, refuse) = (|| Ok(Said::new("ask")), || Ok(Said::new("refuse")));
        let (trap, busy) = (|| Err(CallFailure::Trap("x".to_owned())), || Err(CallFailure::Busy(Duration::ZERO)));
        let comparison = Comparison::default();
        for (counted, answer, depends) in [
            (ask(), ask(), false),
            (ask(), refuse(), false),
            (trap(), ask(), false),
            (ask(), trap(), false),
            (trap(), trap(), false),
            (ask(), refuse(), true),
            (ask(), trap(), true),
            (ask(), busy(), false),
        ] {
            comparison.compare(&call, &Counted { by: None, said: counted }, answer, depends);
        }
        let findings = comparison.so_far();
        assert_eq!(findings.in_all().to_string(), "1 the same, 2 different, 2 failed, 2 not comparable, 1 missed");
        let differences: Vec<_> = findings.differences.iter().map(|difference| (&*difference.enforced, &*difference.shadow)).collect();
        assert_eq!(differences, [("failed [trap] x", "ask"), ("ask", "refuse")]);
    }
}
