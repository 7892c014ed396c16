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
        None => {
            match (job.kind, notice.worth) {
                (JobKind::Push, Worth::Until(_)) => tracing::error!(%transaction, %client, said, tries,
                    "tokens could not be pushed and are revoked.  do: ask the client's owner about its notification endpoint, and have it start again"),
                (JobKind::Push, Worth::FewTries) => tracing::warn!(%transaction, %client, said, tries,
                    "a client was not told that its request ended.  do: ask its owner about its notification endpoint"),
                _ => tracing::warn!(%transaction, %client, said, tries,
                    "a client was not pinged, and learns it when it polls.  do: ask its owner about its notification endpoint"),
            }
            Told::Never
        }
    }
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
