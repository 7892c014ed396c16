//! The console: what the operator sees in a browser.

mod audit;
mod clients;
mod conformance;
mod keys;
mod plugins;
mod shadow;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use futures_util::future::OptionFuture;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::App;
use super::answer::Refusal;
use super::body::FormBody;
use super::cookie::{Cookie, SameSite};
use super::views::Script;
use super::views::console::{
    Artifact, Body, Overview, Page, Plugin as PluginCard, PluginState, Problem, RequestRow, RequestState, Requests, SignIn,
};
use super::views::moment::Moment;
use crate::clock::Random;
use crate::flow::operator::PluginView;
use crate::protocol::identifier::{Bearer, Digest};
use crate::protocol::plugin::PluginName;
use crate::protocol::transaction::{Confirmation, State as StoredState};
use crate::runtime::EventKind;
use crate::store::Listed;

pub(super) use audit::audit;
pub(super) use clients::{client, clients};
pub(super) use keys::keys;
pub(super) use plugins::{allow, plugin, roll_back, set};

/// How long a link to sign in is good.
const INVITATION: SignedDuration = SignedDuration::from_mins(15);
/// How long a session lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(12);
/// The session of a console. Links to it stand in a terminal, which is no other site.
const COOKIE: Cookie = Cookie { name: "ciba_console", path: "/", seconds: SESSION.as_secs().unsigned_abs(), same_site: SameSite::Strict };
/// How often an open console looks again even if nothing was said: counters change without a word.
const LOOK: Duration = Duration::from_secs(5);
/// Requests shown.
const REQUESTS: u32 = 100;
/// The longest token, in bytes.
const TOKEN_MAX: usize = 256;

/// Who signed in, and who was invited to. In memory: a restart signs everybody out.
#[derive(Debug, Default)]
pub struct Sessions {
    invitations: Mutex<HashMap<Digest, Timestamp>>,
    sessions: Mutex<HashMap<Digest, Timestamp>>,
}

impl Sessions {
    /// A one-time token that signs in.
    pub fn invite(&self, random: Random, now: Timestamp) -> Bearer {
        let token = Bearer::from_random(random.bytes());
        let mut invitations = self.invitations.lock().unwrap_or_else(PoisonError::into_inner);
        invitations.retain(|_, until| *until > now);
        invitations.insert(token.digest(), now + INVITATION);
        token
    }

    /// Uses a token: the new session's cookie.
    fn sign_in(&self, token: &str, random: Random, now: Timestamp) -> Option<Bearer> {
        let invited = self.invitations.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(token.as_bytes()));
        invited.filter(|until| *until > now)?;
        let cookie = Bearer::from_random(random.bytes());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, until| *until > now);
        sessions.insert(cookie.digest(), now + SESSION);
        Some(cookie)
    }

    fn know(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(cookie) = COOKIE.read(headers) else { return false };
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Digest::of(cookie.as_bytes())).is_some_and(|until| *until > now)
    }
}

/// `GET /`: every plugin.
pub(super) async fn overview(State(app): State<App>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return page(&app, StatusCode::OK, Body::SignIn(SignIn::NoLink));
    }
    let plugins = match app.operator.plugins().await {
        Ok(plugins) => plugins,
        Err(error) => return failed(&app, &error.to_string()),
    };
    let body = Overview {
        plugins: plugins.iter().filter(|plugin| plugin.state != "removed" || has_served(plugin)).map(plugin_card).collect(),
        plugins_folder: app.flow.runtime.folder().display().to_string(),
        pid: std::process::id(),
        started_at: Moment(app.operator.started_at().as_second()),
    };
    page(&app, StatusCode::OK, Body::Overview(body))
}

/// `GET /requests`: the latest requests, without what is the person's own.
pub(super) async fn requests(State(app): State<App>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    let now = app.flow.clock.now();
    match app.flow.store.requests(REQUESTS).await {
        Ok(listed) => {
            let requests = listed.iter().map(|listed| request_row(listed, now)).collect();
            page(&app, StatusCode::OK, Body::Requests(Requests { cut: listed.len() as u32 == REQUESTS, requests }))
        }
        Err(error) => failed(&app, &error.to_string()),
    }
}

/// `POST /login`: uses a one-time link.
pub(super) async fn sign_in(State(app): State<App>, FormBody { form, .. }: FormBody) -> Result<Response, Refusal> {
    let token = form.required("token", TOKEN_MAX)?;
    Ok(match app.sessions.sign_in(token, app.flow.random, app.flow.clock.now()) {
        Some(session) => ([(header::SET_COOKIE, COOKIE.set(session.reveal(), app.secure))], Redirect::to("/")).into_response(),
        None => page(&app, StatusCode::BAD_REQUEST, Body::SignIn(SignIn::LinkUsed)),
    })
}

/// What a page wants to be told of.
#[derive(Debug, Deserialize)]
pub(super) struct Interest {
    /// Also when this plugin logs.
    plugin: Option<PluginName>,
}

/// `GET /events`: says when the page may have changed.
pub(super) async fn events(State(app): State<App>, Query(interest): Query<Interest>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (changes, stopping) = (app.flow.runtime.changes(), app.flow.stopping.clone());
    let logged = interest.plugin.and_then(|name| app.flow.runtime.catalog().plugin(&name).map(|plugin| plugin.shared.logged()));
    let stream = stream::unfold((changes, logged, stopping), async |(mut changes, mut logged, mut stopping)| {
        tokio::select! {
            changed = changes.changed() => changed.ok()?,
            Some(_) = OptionFuture::from(logged.as_mut().map(|logged| logged.changed())) => {}
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        }
        Some((Ok::<_, Infallible>(Event::default().event("changed").data("{}")), (changes, logged, stopping)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

fn signed_in(app: &App, headers: &HeaderMap) -> bool {
    app.sessions.know(headers, app.flow.clock.now())
}

fn page(app: &App, status: StatusCode, body: Body) -> Response {
    let conformance = app.conformance.as_deref().cloned();
    let page = Page { script: Script::Live, not_encrypted: app.not_encrypted, away: false, conformance, body };
    (status, Html(page.render())).into_response()
}

fn failed(app: &App, error: &str) -> Response {
    tracing::error!(error, "the console cannot be shown");
    page(app, StatusCode::SERVICE_UNAVAILABLE, Body::Trouble)
}

/// Whether something no longer happens now that its file was removed.
fn has_served(view: &PluginView) -> bool {
    view.events.iter().any(|event| event.kind == EventKind::Serving)
}

pub(super) fn plugin_state(state: &str) -> PluginState {
    match state {
        "serving" => PluginState::Serving,
        "shadow" => PluginState::Shadow,
        "blocked" => PluginState::Blocked,
        "waiting" => PluginState::Waiting,
        "refused" => PluginState::Refused,
        _ => PluginState::Off,
    }
}

fn plugin_card(view: &PluginView) -> PluginCard {
    let serving = match (&view.version, &view.digest, view.since) {
        (Some(version), Some(digest), Some(since)) => {
            Some(Artifact { version: version.clone(), digest: short(digest), since: Moment(since.as_second()) })
        }
        _ => None,
    };
    let problem = view.message.as_ref().map(|message| {
        let (word, line) = word_and_line(message).unwrap_or((&view.state, message));
        Problem { word: word.to_owned(), line: line.to_owned(), remedy: view.fix.clone() }
    });
    PluginCard {
        name: view.name.to_string(),
        state: plugin_state(&view.state),
        serving,
        channels: view.channels.clone(),
        calls: view.counters.calls,
        errors: view.counters.failures,
        problem,
    }
}

/// A refusal begins with its stable word: `[not-a-component]: this is a core module`.
fn word_and_line(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix('[')?.split_once("]: ")
}

/// A refusal as a sentence of a page: its line, its word behind it, and without the remedy, which stands elsewhere.
pub(super) fn sentence(message: &str) -> String {
    let Some((word, line)) = word_and_line(message) else { return message.to_owned() };
    let line = line.split_once(".  do: ").map_or(line, |(line, _)| line);
    format!("{line} ({word})")
}

/// Enough of a digest to tell versions apart.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(4).collect()
}

fn request_row(listed: &Listed, now: Timestamp) -> RequestRow {
    let request = &listed.request;
    let state = match request.state(now) {
        StoredState::Pending => RequestState::Pending,
        StoredState::Approved => RequestState::Approved,
        StoredState::Denied => RequestState::Denied,
        StoredState::Redeemed => RequestState::Redeemed,
        StoredState::Expired => RequestState::Expired,
        StoredState::Superseded => RequestState::Superseded,
    };
    let confirmation = request.particulars.as_ref().and_then(|particulars| particulars.confirmation.as_ref());
    RequestRow {
        transaction: request.transaction.0.clone(),
        client: request.client.0.clone(),
        mode: request.delivery.as_str(),
        binding: confirmation.map(|confirmation| match confirmation {
            Confirmation::Certificate(_) => "certificate",
            Confirmation::Key(_) => "DPoP",
        }),
        state,
        started_at: Moment(request.created_at.as_second()),
        expires_at: Moment(request.expires_at.as_second()),
        notified: listed
            .notified
            .iter()
            .map(|notified| format!("{} {}, {} µs", notified.plugin, notified.version, notified.micros))
            .collect(),
    }
}
