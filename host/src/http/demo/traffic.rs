//! Other people's authentications, twenty a second: what goes on while a plugin is replaced.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::App;
use super::Demo;
use super::shop::ask;
use crate::flow::decide::{Answered, By};
use crate::flow::operator::Command;
use crate::protocol::GRANT_TYPE_CIBA;
use crate::protocol::discovery::path;
use crate::protocol::identifier::UnverifiedBearer;
use crate::protocol::transaction::Decision;
use crate::protocol::user::CHANNEL_INBOX;

/// Between two starts.
const PACE: Duration = Duration::from_millis(50);
/// Other demo users.
const VISITORS: usize = 20;
/// How long an authentication may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether it is on, and what became of it.
#[derive(Default)]
pub(super) struct Traffic {
    on: AtomicBool,
    /// One set of starts at a time, however often the switch is flipped.
    running: Mutex<Option<tokio::task::JoinHandle<()>>>,
    started: AtomicU64,
    finished: AtomicU64,
    failed: AtomicU64,
}

/// What became of it.
pub(super) struct Counted {
    pub(super) started: u64,
    pub(super) finished: u64,
    pub(super) failed: u64,
}

impl Traffic {
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(super) fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted { started: read(&self.started), finished: read(&self.finished), failed: read(&self.failed) }
    }
}

/// Turns it on or off.
pub(super) async fn switch(app: &App, demo: &Arc<Demo>, on: bool) {
    if on {
        visitors(app).await;
    }
    demo.traffic.on.store(on, Ordering::Relaxed);
    let mut running = demo.traffic.running.lock().unwrap_or_else(PoisonError::into_inner);
    if on && running.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
        *running = Some(tokio::spawn(run(app.clone(), Arc::clone(demo))));
    }
}

/// Makes the other users, each with a phone of their own, if they are not there.
async fn visitors(app: &App) {
    for number in 1..=VISITORS {
        let username = visitor(number);
        let add = Command::UserAdd {
            username: username.clone(),
            name: Some(format!("Visitor {number}")),
            email: None,
            phone: None,
            locale: None,
        };
        // There already, from an earlier time: with their phone.
        if app.operator.execute(add).await.is_ok() {
            let device = Command::UserDevice { username, channel: CHANNEL_INBOX.to_owned(), address: None, name: None };
            if let Err(error) = app.operator.execute(device).await {
                tracing::warn!(%error, "a demo user has no phone");
            }
        }
    }
}

fn visitor(number: usize) -> String {
    format!("visitor-{number:02}")
}

async fn run(app: App, demo: Arc<Demo>) {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut number = 0;
    while demo.traffic.is_on() && !*app.flow.stopping.borrow() {
        ticks.tick().await;
        number = number % VISITORS + 1;
        let (app, demo, username) = (app.clone(), Arc::clone(&demo), visitor(number));
        tokio::spawn(async move {
            demo.traffic.started.fetch_add(1, Ordering::Relaxed);
            let ended = tokio::time::timeout(PATIENCE, authenticate(&app, &demo, &username)).await;
            match ended {
                Ok(Ok(())) => demo.traffic.finished.fetch_add(1, Ordering::Relaxed),
                Ok(Err(error)) => {
                    tracing::error!(username, error, "a demo authentication failed");
                    demo.traffic.failed.fetch_add(1, Ordering::Relaxed)
                }
                Err(_) => {
                    tracing::error!(username, "a demo authentication did not end in time");
                    demo.traffic.failed.fetch_add(1, Ordering::Relaxed)
                }
            };
        });
    }
}

/// One authentication from start to tokens. The visitor answers as soon as a plugin made the card appear.
async fn authenticate(app: &App, demo: &Demo, username: &str) -> Result<(), String> {
    let start = [("scope", "openid"), ("login_hint", username), ("binding_message", "Demo traffic")];
    let (_, started) = ask(demo, path::BACKCHANNEL_AUTHENTICATION, &start).await?;
    let auth_req_id = started["auth_req_id"].as_str().ok_or_else(|| started.to_string())?;
    let stored = app.flow.store.request_by_auth_req_id(&UnverifiedBearer::read(auth_req_id)).await.map_err(|error| error.to_string())?;
    let request = stored.ok_or("the request is gone")?;
    let mut wake = app.flow.wakes.of_user(&request.user);
    loop {
        let card = app.flow.store.card(&request.user, &request.transaction).await.map_err(|error| error.to_string())?;
        if card.is_some_and(|card| card.shown) {
            break;
        }
        wake.changed().await;
    }
    let decided = app.flow.decide(&request.transaction, &request.user, Decision::Approve, By::Operator, None).await;
    if !matches!(decided, Ok(Answered::Now(_))) {
        return Err(format!("not decided: {decided:?}"));
    }
    let redeem = [("grant_type", GRANT_TYPE_CIBA), ("auth_req_id", auth_req_id)];
    let (_, tokens) = ask(demo, path::TOKEN, &redeem).await?;
    if tokens["id_token"].is_string() { Ok(()) } else { Err(tokens["error"].to_string()) }
}
