//! What an open page is told while it is open.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;

use super::{COOKIE, Trouble, session};
use crate::flow::Waiting;
use crate::http::App;
use crate::protocol::identifier::{TransactionId, UserId};

/// How often a quiet stream says that it is alive. The script counts on it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the news that a request no longer waits may wait itself.
const GOING: Duration = Duration::from_millis(100);

/// What one page's stream of events knows.
struct Following {
    app: App,
    user: UserId,
    wake: Waiting<UserId>,
    stopping: watch::Receiver<bool>,
    cookie: String,
    /// What it said last; nothing before the first time.
    said: Option<Vec<TransactionId>>,
}

impl Following {
    /// Returns at the next change, or `None` when the host is to stop; says whether the user's devices have changed.
    async fn change(&mut self) -> Option<bool> {
        tokio::select! {
            devices = self.wake.changed() => Some(devices),
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// What waits after the next change, and whether the user's devices have changed. An arrival is news at once; what
    /// only went may wait for what comes next, and be said with it.
    async fn news(&mut self) -> Option<(bool, Vec<TransactionId>)> {
        let Some(said) = self.said.take() else { return Some((false, self.app.flow.waiting(&self.user).await.ok()?)) };
        let mut devices = self.change().await?;
        let mut waiting = self.app.flow.waiting(&self.user).await.ok()?;
        if waiting.iter().all(|one| said.contains(one))
            && let Ok(more) = tokio::time::timeout(GOING, self.change()).await
        {
            devices |= more?;
            waiting = self.app.flow.waiting(&self.user).await.ok()?;
        }
        Some((devices, waiting))
    }
}

/// `GET /device/events`: says when the list may have changed.
pub(in crate::http) async fn events(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let session = session(&app, &headers).await?;
    let wake = app.flow.wakes.of_user(&session.user.id);
    let cookie = COOKIE.read(&headers).unwrap_or_default().to_owned();
    let stopping = app.flow.stopping.clone();
    let start = Following { app, user: session.user.id, wake, stopping, cookie, said: None };
    let stream = stream::unfold(Some(start), async |state| {
        let mut page: Following = state?;
        let (devices_changed, waiting) = page.news().await?;
        // This page may be the one that was removed.
        if devices_changed && page.app.flow.device_session(&page.cookie).await.ok()?.is_none() {
            return Some((Ok::<_, Infallible>(Event::default().event("removed").data("{}")), None));
        }
        let event = Event::default().event("cards").data(json!({ "transactions": waiting }).to_string());
        page.said = Some(waiting);
        Some((Ok(event), Some(page)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}
