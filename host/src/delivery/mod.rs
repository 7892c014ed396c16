//! The outbox worker: does what must still happen outside, and writes down what came of it.
//!
//! A job is reserved, done, and ended or postponed in one transaction with its effects. Whatever happens in
//! between (a crash, a trap, a kill) leaves the job due.
//!
//! [`route`] reaches people through plugins, [`client`] tells clients. Each has a worker of its own, so that neither
//! waits for the other. [`observe`] tells plugins what happened, which is no job: each of them has its own place.

mod client;
mod observe;
mod places;
mod route;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::flow::Flow;
use crate::protocol::identifier::TransactionId;
use crate::protocol::transaction::{State, Stored};
use crate::runtime::WithdrawReason;
use crate::store::{Job, JobKind, Lane, Next, NotifyResult, StoreError};
use crate::traces::SPAN;
use places::Places;

/// Jobs done at the same time: several times the calls that one plugin may have, so that slow ones leave room.
const AT_ONCE: usize = 256;
/// Clients told at the same time, those included that wait for a place at their origin.
const CLIENTS_AT_ONCE: usize = 4_096;
/// The longest time without a look at the store.
const LOOK: Duration = Duration::from_secs(1);
/// The first and the longest time between two tries.
const RETRY_FIRST: SignedDuration = SignedDuration::from_millis(250);
const RETRY_LONGEST: SignedDuration = SignedDuration::from_secs(5);
/// How often what is no longer needed is deleted.
const FORGET: Duration = Duration::from_secs(60);

/// Works until stopped.
pub struct Worker {
    tasks: Vec<JoinHandle<()>>,
    at_once: Arc<Semaphore>,
    places: Arc<Places>,
    /// Ends by itself when the host stops.
    observers: JoinHandle<()>,
}

impl Worker {
    /// Starts working.
    pub fn start(flow: &Arc<Flow>) -> Self {
        let (at_once, places) = (Arc::new(Semaphore::new(AT_ONCE)), Places::new());
        let tasks = vec![
            tokio::spawn(work(Arc::clone(flow), Lane::Plugins, Arc::clone(&at_once), Arc::clone(&places))),
            tokio::spawn(work(Arc::clone(flow), Lane::Clients, Arc::new(Semaphore::new(CLIENTS_AT_ONCE)), Arc::clone(&places))),
            tokio::spawn(wake_on_swap(Arc::clone(flow))),
            tokio::spawn(forget(Arc::clone(flow))),
        ];
        Self { tasks, at_once, places, observers: tokio::spawn(observe::tell_all(Arc::clone(flow))) }
    }

    /// Takes no more jobs, and waits for those that were taken, but not for ever: what is not done stays due.
    pub async fn drain(mut self, patience: Duration) {
        for task in &self.tasks {
            task.abort();
        }
        let all = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        let ended = async { tokio::join!(self.at_once.acquire_many(all), self.places.drain(), &mut self.observers) };
        let _ = tokio::time::timeout(patience, ended).await;
        self.observers.abort();
    }
}

async fn work(flow: Arc<Flow>, lane: Lane, at_once: Arc<Semaphore>, places: Arc<Places>) {
    loop {
        let Ok(place) = Arc::clone(&at_once).acquire_owned().await else { return };
        let most = (at_once.available_permits() + 1).min(AT_ONCE);
        drop(place);
        match flow.store.reserve_jobs(lane, flow.clock.now(), most).await {
            Ok(jobs) => {
                let more = jobs.len() == most;
                for job in jobs {
                    let Ok(place) = Arc::clone(&at_once).acquire_owned().await else { return };
                    let (flow, places) = (Arc::clone(&flow), Arc::clone(&places));
                    let span = span_of(&flow, job.kind.as_str(), &job.request.transaction);
                    let work = async move {
                        let _place = place;
                        run(&flow, &places, job).await;
                    };
                    tokio::spawn(work.instrument(span));
                }
                if !more {
                    wait(&flow, lane).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "jobs cannot be read; trying again");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// What is done for a request afterwards belongs to the trace that it was started in.
fn span_of(flow: &Flow, what: &str, transaction: &TransactionId) -> tracing::Span {
    let span = tracing::trace_span!(target: SPAN, "job", otel.name = what, transaction = %transaction);
    flow.origins.join(&span, transaction.as_str());
    span
}

/// Waits for a wake-up or for a second: whatever is first.
async fn wait(flow: &Flow, lane: Lane) {
    tokio::select! {
        () = flow.wakes.job(lane) => {}
        () = tokio::time::sleep(LOOK) => {}
    }
}

/// Wakes the worker when a job that was postponed falls due again.
fn wake_at(flow: &Flow, due: Option<Timestamp>) {
    let Some(due) = due else { return };
    let pause = Duration::try_from(due.duration_since(flow.clock.now())).unwrap_or_default();
    // Later than the worker's own next look, or so: it will find the job then.
    if pause < LOOK {
        let wakes = flow.wakes.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause + Duration::from_millis(1)).await;
            wakes.job_added();
        });
    }
}

/// A plugin that begins to serve may be the one that jobs wait for.
async fn wake_on_swap(flow: Arc<Flow>) {
    let mut changes = flow.runtime.serving_changes();
    while changes.changed().await.is_ok() {
        flow.store.hasten_notifications(flow.clock.now());
        flow.wakes.job_added();
    }
}

async fn forget(flow: Arc<Flow>) {
    loop {
        tokio::time::sleep(FORGET).await;
        let now = flow.clock.now();
        let keep = SignedDuration::from_hours(i64::from(flow.ciba.keep_hours));
        if let Err(error) = flow.store.forget(now.checked_sub(keep).unwrap_or(Timestamp::MIN), now).await {
            tracing::warn!(%error, "old requests could not be deleted; they are tried again");
        }
    }
}

async fn run(flow: &Flow, places: &Arc<Places>, job: Job) {
    let state = job.request.state(flow.clock.now());
    let (finished, due) = match job.kind {
        JobKind::Notify if state != State::Pending => (flow.store.finish_job(&job, Next::End).await, None),
        JobKind::Notify => {
            let result = route::notify(flow, &job).await;
            if result.notified.is_empty() && result.next == Next::End {
                nobody_reached(flow, &job).await;
            }
            let due = match result.next {
                Next::Wait(at) | Next::NotBefore(at) => Some(at),
                Next::End | Next::GoOn => None,
            };
            (write_down(flow, &job, result).await, due)
        }
        // Still undecided and not expired: it fell due early, and waits for its end.
        JobKind::Withdraw if state == State::Pending => (flow.store.finish_job(&job, Next::NotBefore(job.request.expires_at)).await, None),
        JobKind::Withdraw => {
            let why = match job.request.stored {
                Stored::Approved | Stored::Redeemed => WithdrawReason::Approved,
                Stored::Denied => WithdrawReason::Denied,
                Stored::Superseded => WithdrawReason::Superseded,
                Stored::Pending => WithdrawReason::Expired,
            };
            let again = route::withdraw(flow, &job, why).await;
            let next = if again { Next::NotBefore(flow.clock.now() + RETRY_LONGEST) } else { Next::End };
            (flow.store.finish_job(&job, next).await, None)
        }
        JobKind::Ping | JobKind::Push => return client::run(flow, places, &job).await,
    };
    wake_at(flow, due);
    see_to(flow, &job, finished);
}

/// A job of which nothing could be written is done again.
fn see_to(flow: &Flow, job: &Job, finished: Result<(), StoreError>) {
    if let Err(error) = finished {
        tracing::error!(transaction = %job.request.transaction, %error, "the end of a job could not be written; it is done again");
        // Not at once: a store that cannot write is not helped by pushing the same message again and again.
        flow.store.release(job, flow.clock.now() + RETRY_LONGEST);
    }
}

/// Nobody heard of a request, and nobody will. It waits, because the person may open the device page; for a client that
/// wants to know at once, it ends.
async fn nobody_reached(flow: &Flow, job: &Job) {
    let (transaction, client) = (&job.request.transaction, &job.request.client);
    if !route::fails_fast(flow, job).await {
        tracing::warn!(%transaction, %client, "nobody could be notified; the request waits until it expires");
        return;
    }
    match flow.give_up(transaction, &job.request.user).await {
        Ok(true) => tracing::warn!(%transaction, %client, "nobody could be notified; the request has ended, as its client wants"),
        Ok(false) => {}
        // It expires.
        Err(error) => tracing::warn!(%transaction, %client, %error, "nobody could be notified, and the request could not be ended"),
    }
}

/// Writes down what a notification brought about, and tells the pages that show it.
async fn write_down(flow: &Flow, job: &Job, result: NotifyResult) -> Result<(), StoreError> {
    let shown = result.shown.is_some();
    let written = flow.store.finish_notify(job, result).await;
    if shown {
        flow.wakes.user_changed(&job.request.user);
    }
    written
}

/// When a job that failed so often is tried again: later each time, with a little spread, and never after the
/// request's end, for then there is nothing to tell.
fn again_at(now: Timestamp, job: &Job, asked: Option<SignedDuration>) -> Option<Timestamp> {
    let doubled = RETRY_FIRST * i32::try_from(1_u32 << job.attempts.min(8)).unwrap_or(256);
    // Spread by the row's number: neighbours that failed together are not tried together.
    let spread = SignedDuration::from_millis(job.id.rem_euclid(16) * 8);
    // "At once" would be again and again, without an end.
    let pause = asked.map_or_else(|| doubled.min(RETRY_LONGEST), |asked| asked.max(RETRY_FIRST)) + spread;
    Some(now + pause).filter(|at| *at < job.request.expires_at)
}
