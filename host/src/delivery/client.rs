//! Telling clients how their requests ended: ping and push (CIBA Core 10.2, 10.3 and 12).

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};

use super::places::{Place, Places};
use super::{RETRY_LONGEST, see_to, wake_at};
use crate::flow::Flow;
use crate::flow::tell::{Notice, Recipient, Said, Worth};
use crate::protocol::transaction::Stored;
use crate::store::{Job, JobKind, Next, StoreError};

/// A decision of the last moment may still be on its way to the disk: nobody is told of an expiry before this has passed.
const SETTLED: SignedDuration = SignedDuration::from_secs(1);
/// The first and the longest pause between two tries.
const PAUSE_FIRST: SignedDuration = SignedDuration::from_millis(500);
const PAUSE_LONGEST: SignedDuration = SignedDuration::from_secs(60);
/// The longest pause that an endpoint can ask for.
const PAUSE_ASKED: SignedDuration = SignedDuration::from_hours(1);
/// Tries of what the client finds out by itself.
const FEW: u32 = 3;

/// What came of a job.
enum Told {
    /// The client has what it needs.
    Done,
    /// It will not get it. What a push holds is revoked.
    Never,
    /// Once more, then.
    Again(Timestamp),
    /// Nothing was tried, and nothing counts.
    Later(Timestamp),
}

/// Does a job, and writes down what came of it.
pub(super) async fn run(flow: &Flow, places: &Arc<Places>, job: &Job) {
    let mut place = None;
    let told = tell(flow, places, job, &mut place).await.unwrap_or_else(|error| {
        tracing::warn!(transaction = %job.request.transaction, client = %job.request.client, %error, "a client could not be told yet: the store did not answer");
        Told::Later(flow.clock.now() + RETRY_LONGEST)
    });
    let (written, due) = match told {
        Told::Done | Told::Never if job.kind == JobKind::Push => (flow.store.finish_push(job, matches!(told, Told::Done)).await, None),
        Told::Done | Told::Never => (flow.store.finish_job(job, Next::End).await, None),
        Told::Again(at) => (flow.store.finish_job(job, Next::NotBefore(at)).await, Some(at)),
        Told::Later(at) => {
            flow.store.release(job, at);
            (Ok(()), Some(at))
        }
    };
    // Held up to here: who waits for the calls to end waits for what they brought to be written.
    drop(place);
    wake_at(flow, due);
    see_to(flow, job, written);
}

async fn tell(flow: &Flow, places: &Arc<Places>, job: &Job, taken: &mut Option<Place>) -> Result<Told, StoreError> {
    let (request, now) = (&job.request, flow.clock.now());
    if request.stored == Stored::Pending && now < request.expires_at + SETTLED {
        return Ok(Told::Later(request.expires_at + SETTLED));
    }
    let Some(recipient) = flow.recipient(request).await? else {
        tracing::info!(transaction = %request.transaction, client = %request.client, "the client is gone, or has another delivery mode now: it is not told");
        return Ok(Told::Never);
    };
    let place = match places.enter(&recipient.endpoint.origin().ascii_serialization(), now).await {
        Ok(place) => taken.insert(place),
        Err(turn) => return Ok(Told::Later(turn)),
    };
    let notice = match flow.say(job, &recipient).await {
        Ok(Said::Notice(notice)) => notice,
        Ok(Said::Nothing) => return Ok(Told::Done),
        Ok(Said::Lost) => {
            tracing::error!(transaction = %request.transaction, client = %request.client,
                "what a client was to be told with cannot be opened; it is not told.  do: restore the installation's key that belongs to this database");
            return Ok(Told::Never);
        }
        Err(why) => {
            let again = now + pause(job, job.attempts);
            // Once it is too late for tokens, that is what is said.
            let next = if now < request.redeem_until() { again.min(request.redeem_until()) } else { again };
            tracing::error!(transaction = %request.transaction, client = %request.client, %why, %next, "a client could not be told yet");
            return Ok(Told::Again(next));
        }
    };
    // A host that was down, or a place that was long in coming: what came of it in time is all there is.
    if let Worth::Until(end) = notice.worth
        && flow.clock.now() >= end
    {
        return Ok(give_up(job, notice.worth, "its time is over"));
    }
    let outcome = send(flow, &recipient, &notice).await;
    place.answered(outcome.is_ok());
    Ok(conclude(flow.clock.now(), job, &notice, outcome))
}

/// What the endpoint said.
struct Answer {
    status: u16,
    retry_after: Option<SignedDuration>,
}

async fn send(flow: &Flow, recipient: &Recipient, notice: &Notice) -> Result<Answer, String> {
    let headers =
        HeaderMap::from_iter([(AUTHORIZATION, notice.authorization.clone()), (CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let answer = flow.callbacks.post(&recipient.endpoint, headers, notice.body.clone()).await.map_err(|error| error.to_string())?;
    Ok(Answer { status: answer.status, retry_after: answer.retry_after.and_then(|pause| SignedDuration::try_from(pause).ok()) })
}

fn conclude(now: Timestamp, job: &Job, notice: &Notice, outcome: Result<Answer, String>) -> Told {
    let (transaction, client, kind) = (&job.request.transaction, &job.request.client, job.kind.as_str());
    let (said, asked, is_final) = match outcome {
        Ok(Answer { status, .. }) if (200..300).contains(&status) => {
            tracing::debug!(%transaction, %client, kind, status, "the client was told");
            return Told::Done;
        }
        Ok(Answer { status, retry_after }) => (format!("status {status}"), retry_after, is_final(job.kind, status)),
        Err(error) => (error, None, false),
    };
    let tries = job.attempts + 1;
    let next = match notice.worth {
        // Three tries in half a minute, which an endpoint that starts again may take.
        Worth::FewTries => Some(now + pause(job, 3 * tries).max(bounded(asked))).filter(|_| tries < FEW),
        Worth::Until(end) => Some(now + pause(job, job.attempts).max(bounded(asked))).filter(|next| *next < end),
    };
    match next.filter(|_| !is_final) {
        Some(next) => {
            tracing::warn!(%transaction, %client, kind, said, tries, %next, "the client's endpoint did not take it; trying again");
            Told::Again(next)
        }
        None => give_up(job, notice.worth, &said),
    }
}

/// It will not get it: who reads the log can tell its owner.
fn give_up(job: &Job, worth: Worth, said: &str) -> Told {
    let (transaction, client, tries) = (&job.request.transaction, &job.request.client, job.attempts + 1);
    match (job.kind, worth) {
        (JobKind::Push, Worth::Until(_)) => tracing::error!(%transaction, %client, said, tries,
            "tokens could not be pushed and are revoked.  do: ask the client's owner about its notification endpoint, and have it start again"),
        (JobKind::Push, Worth::FewTries) => tracing::warn!(%transaction, %client, said, tries,
            "a client was not told that its request ended.  do: ask its owner about its notification endpoint"),
        _ => tracing::warn!(%transaction, %client, said, tries,
            "a client was not pinged, and learns it when it polls.  do: ask its owner about its notification endpoint"),
    }
    Told::Never
}

/// Whether trying again is of no use.
///
/// 401 and 403 mean that the token is not taken (CIBA Core 10.2 and 10.3), and a redirect, which is never followed, that
/// another address should be registered. Tokens are not sent again to who says that it does not want them; but what a
/// proxy says for an endpoint that is just being replaced (404, 421), and what asks for time (408, 425, 429), is no such
/// answer.
fn is_final(kind: JobKind, status: u16) -> bool {
    match status {
        300..400 | 401 | 403 => true,
        404 | 408 | 421 | 425 | 429 => false,
        400..500 => kind == JobKind::Push,
        _ => false,
    }
}

/// A pause that is doubled so often, with a spread of up to a third, so that those that failed together are not tried
/// together.
fn pause(job: &Job, doubled: u32) -> SignedDuration {
    let pause = (PAUSE_FIRST * (1 << doubled.min(8))).min(PAUSE_LONGEST);
    let spread = i32::try_from((job.id + i64::from(job.attempts) * 7).rem_euclid(16)).unwrap_or_default();
    pause + pause * spread / 48
}

/// What an endpoint asks for, within reason.
fn bounded(asked: Option<SignedDuration>) -> SignedDuration {
    asked.unwrap_or_default().min(PAUSE_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::DeliveryMode;
    use crate::protocol::transaction::Request;
    use crate::store::Parties;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn job(kind: JobKind, attempts: u32) -> Job {
        let request = Request {
            transaction: "t".into(),
            client: "c".into(),
            user: "u".into(),
            scope: "openid".to_owned(),
            binding_message: None,
            acr_values: vec![],
            stored: Stored::Approved,
            created_at: now(),
            expires_at: now() + SignedDuration::from_secs(120),
            decided_at: Some(now()),
            delivery: DeliveryMode::Ping,
            particulars: None,
            evidence: None,
        };
        // The number of the row decides the spread: this one has none at the first try.
        Job { id: 16, kind, attempts, request, notified: vec![], parties: Parties::default(), to_notify: None }
    }

    fn answered(status: u16, retry_after: Option<i64>) -> Result<Answer, String> {
        Ok(Answer { status, retry_after: retry_after.map(SignedDuration::from_secs) })
    }

    /// In how many seconds it is tried again; nothing, when it has ended.
    fn again(kind: JobKind, attempts: u32, worth: Worth, outcome: Result<Answer, String>) -> Option<f64> {
        let notice = Notice { authorization: HeaderValue::from_static("Bearer t"), body: bytes::Bytes::new(), worth };
        match conclude(now(), &job(kind, attempts), &notice, outcome) {
            Told::Again(at) => Some(at.duration_since(now()).as_secs_f64()),
            Told::Done | Told::Never | Told::Later(_) => None,
        }
    }

    #[test]
    fn what_is_final_is_not_tried_again_and_everything_else_is() {
        let until = Worth::Until(now() + SignedDuration::from_hours(24));
        let all = [200, 204, 299, 300, 301, 307, 308, 400, 401, 403, 404, 405, 408, 410, 421, 422, 425, 429, 500, 503, 599];
        let tried = |kind| all.into_iter().filter(|status| again(kind, 0, until, answered(*status, None)).is_some()).collect::<Vec<_>>();
        assert_eq!(tried(JobKind::Ping), [400, 404, 405, 408, 410, 421, 422, 425, 429, 500, 503, 599]);
        assert_eq!(tried(JobKind::Push), [404, 408, 421, 425, 429, 500, 503, 599]);
        assert!(again(JobKind::Push, 0, until, Err("cannot connect".to_owned())).is_some());
        let notice = Notice { authorization: HeaderValue::from_static("Bearer t"), body: bytes::Bytes::new(), worth: until };
        assert!(matches!(conclude(now(), &job(JobKind::Push, 0), &notice, answered(299, None)), Told::Done));
        assert!(matches!(conclude(now(), &job(JobKind::Push, 0), &notice, answered(300, None)), Told::Never));
    }

    #[test]
    fn pauses_grow_up_to_a_minute_and_a_few_tries_are_spread_over_half_a_minute() {
        let until = Worth::Until(now() + SignedDuration::from_hours(24));
        let pauses: Vec<_> = (0..10).map(|tries| again(JobKind::Push, tries, until, Err(String::new())).unwrap()).collect();
        assert!((0.5..0.67).contains(&pauses[0]) && (1.0..1.34).contains(&pauses[1]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| (0.5..80.0).contains(pause)), "{pauses:?}");
        assert!(pauses[9] >= 60.0, "{pauses:?}");
        let few: Vec<_> = (0..4).map(|tries| again(JobKind::Ping, tries, Worth::FewTries, Err(String::new()))).collect();
        assert!(few[0].is_some_and(|pause| pause >= 4.0) && few[1].is_some_and(|pause| pause >= 30.0), "{few:?}");
        assert_eq!(few[2..], [None, None]);
    }

    #[test]
    fn an_endpoint_that_asks_for_time_gets_it_within_reason_and_within_the_end() {
        let until = |seconds| Worth::Until(now() + SignedDuration::from_secs(seconds));
        assert_eq!(again(JobKind::Ping, 0, until(180), answered(503, Some(30))), Some(30.0));
        assert_eq!(again(JobKind::Ping, 0, until(180), answered(503, Some(0))), Some(0.5));
        assert_eq!(again(JobKind::Ping, 0, until(180), answered(503, Some(180))), None);
        assert_eq!(again(JobKind::Push, 0, until(86_400), answered(503, Some(50_000))), Some(3_600.0));
        // 401 stays final, whatever comes with it.
        assert_eq!(again(JobKind::Ping, 0, until(180), answered(401, Some(1))), None);
    }
}
