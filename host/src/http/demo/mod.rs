//! The demo page: a shop that is a CIBA client, with everything it does shown. Demo mode only, loopback only.

mod shop;
mod traffic;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::console::{Sessions, plugin_state, sentence, short};
use super::views::demo::{Page, PluginStatus, Status};
use super::views::text::Locale;
use super::views::{Script, Secret, states as fixtures};
use super::{answer, guard};
use crate::flow::Flow;
use crate::flow::operator::{Command, Operator};
use crate::outbound::{Client, Door};
use crate::protocol::client::{Client as Registered, ClientKind, Origin};
use crate::protocol::identifier::{Bearer, Digest};
use shop::Purchase;
use traffic::Traffic;

type Http = Client<http_body_util::Full<bytes::Bytes>>;

/// The demo world's own state.
pub struct Demo {
    http: Http,
    /// The shop's credential, new at every start.
    secret: Bearer,
    purchases: Mutex<HashMap<String, Arc<Purchase>>>,
    traffic: Traffic,
    links: DemoLinks,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct DemoLinks {
    /// The public listener.
    pub public: SocketAddr,
    /// Console and admin API.
    pub admin: SocketAddr,
    /// The plugins' own origin.
    pub plugins_origin: Option<SocketAddr>,
    /// Where the sample plugins are.
    pub samples: String,
    /// The plugin folder.
    pub plugins: String,
}

impl DemoLinks {
    /// A fresh one-time link that adds a phone for Alice.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn phone(operator: &Operator) -> anyhow::Result<Secret> {
        let enrolment = operator.execute(Command::UserEnrol { username: Demo::USER.to_owned() }).await?;
        Ok(Secret(enrolment["link"].as_str().context("no enrolment link")?.to_owned()))
    }

    /// A fresh one-time link to the console.
    pub fn console(&self, sessions: &Sessions, flow: &Flow) -> Secret {
        let token = sessions.invite(flow.random, flow.clock.now());
        Secret(format!("http://{}/#login={}", self.admin, token.reveal()))
    }
}

/// The shop's `client_id`. It holds its polls, so that the page answers at once; `demo` is the same without.
const SHOP: &str = "fern";
/// What the person reads.
const SHOP_NAME: &str = "Fern & Co";

impl Demo {
    /// Who pays.
    pub const USER: &str = "alice";

    /// A demo world around this door, with `secret` as the shop's.
    pub fn new(door: &Door, secret: Bearer, links: DemoLinks) -> Self {
        Self { http: door.client(), secret, purchases: Mutex::default(), traffic: Traffic::default(), links }
    }

    /// The registration of the shop.
    pub fn shop(secret: Digest) -> Registered {
        let mut shop = Registered::with_secret(SHOP.into(), SHOP_NAME, ClientKind::Ciba, secret, Origin::Demo);
        Arc::make_mut(&mut shop.metadata).long_poll = true;
        shop
    }

    /// Where everything is.
    pub fn links(&self) -> &DemoLinks {
        &self.links
    }

    fn purchase(&self, run: &str) -> Option<Arc<Purchase>> {
        self.purchases.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }
}

/// `GET /demo`
pub(super) async fn page(State(app): State<App>) -> Response {
    let Some(demo) = &app.demo else { return answer::not_found().await };
    let page = Page {
        script: Script::Live,
        now_ms: app.flow.clock.now().as_millisecond(),
        not_encrypted: false,
        mishap: None,
        user_name: "Alice".to_owned(),
        samples_folder: demo.links.samples.clone(),
        plugins_folder: demo.links.plugins.clone(),
        status: status_of(&app, demo).await,
        shown: None,
    };
    // The two buttons open pages of other listeners.
    let phone = app.flow.links.device_page();
    let phone = phone.strip_suffix("/device").unwrap_or(phone);
    let policy = guard::content_security_policy(&format!("{phone} http://{}", demo.links.admin));
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page.render())).into_response()
}

/// `POST /demo/phone`: to a link that adds a phone. Each press makes its own, because a link works once.
pub(super) async fn phone(State(app): State<App>) -> Response {
    match DemoLinks::phone(&app.operator).await {
        Ok(link) => Redirect::to(&link.0).into_response(),
        Err(error) => {
            tracing::error!(%error, "the demo has no link to the phone");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// `POST /demo/console`: to a link that signs in.
pub(super) async fn console(State(app): State<App>) -> Response {
    let Some(demo) = &app.demo else { return answer::not_found().await };
    Redirect::to(&demo.links.console(&app.sessions, &app.flow).0).into_response()
}

#[derive(Deserialize)]
pub(super) struct Start {
    binding_message: String,
}

/// `POST /demo/start`: the shop asks.
pub(super) async fn start(State(app): State<App>, start: Result<Json<Start>, axum::extract::rejection::JsonRejection>) -> Response {
    let Some(demo) = app.demo.clone() else { return answer::not_found().await };
    let Json(start) = match start {
        Ok(start) => start,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request", "error_description": error.body_text() })))
                .into_response();
        }
    };
    match shop::start(&app, &demo, start.binding_message).await {
        Ok(started) => Json(started).into_response(),
        Err((status, error)) => (status, Json(error)).into_response(),
    }
}

/// `GET /demo/runs/{run}`: how far a purchase is.
pub(super) async fn run(State(app): State<App>, Path(run): Path<String>) -> Response {
    let Some(purchase) = app.demo.as_ref().and_then(|demo| demo.purchase(&run)) else { return answer::not_found().await };
    match shop::look(&app, &purchase).await {
        Ok(run) => Json(run).into_response(),
        Err(error) => answer::Refusal::from(error).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Switch {
    on: bool,
}

/// `POST /demo/traffic`: other people's authentications, twenty a second.
pub(super) async fn traffic(State(app): State<App>, switch: Result<Json<Switch>, axum::extract::rejection::JsonRejection>) -> Response {
    let (Some(demo), Ok(Json(switch))) = (app.demo.clone(), switch) else { return StatusCode::BAD_REQUEST.into_response() };
    traffic::switch(&app, &demo, switch.on).await;
    Json(status_of(&app, &demo).await).into_response()
}

/// `GET /demo/status`
pub(super) async fn status(State(app): State<App>) -> Response {
    let Some(demo) = app.demo.clone() else { return answer::not_found().await };
    Json(status_of(&app, &demo).await).into_response()
}

async fn status_of(app: &App, demo: &Demo) -> Status {
    let now = app.flow.clock.now();
    let plugins = app.operator.plugins().await.unwrap_or_default();
    let plugins = plugins
        .into_iter()
        .filter(|plugin| plugin.state != "removed")
        .map(|plugin| PluginStatus {
            name: plugin.name.to_string(),
            version: plugin.version,
            digest: plugin.digest.as_deref().map(short),
            state: plugin_state(&plugin.state),
            since_ms: plugin.since.unwrap_or(now).as_millisecond(),
            message: plugin.message.as_deref().map(sentence),
            replaced: None,
        })
        .collect();
    let counted = demo.traffic.counted();
    Status {
        started: counted.started,
        finished: counted.finished,
        failed: counted.failed,
        pid: std::process::id(),
        uptime_s: u64::try_from(now.duration_since(app.operator.started_at()).as_secs()).unwrap_or_default(),
        traffic: demo.traffic.is_on(),
        plugins,
    }
}

/// `GET /demo/states`: every state a person can see.
pub(super) async fn states() -> Response {
    Html(fixtures::index()).into_response()
}

#[derive(Deserialize)]
pub(super) struct Language {
    lang: Option<String>,
}

/// `GET /demo/states/{name}`
pub(super) async fn state(Path(name): Path<String>, Query(language): Query<Language>) -> Response {
    match fixtures::find(&name) {
        Some(state) => {
            let locale = language.lang.as_deref().and_then(Locale::from_tag).unwrap_or(Locale::English);
            Html(state.render(locale)).into_response()
        }
        None => answer::not_found().await,
    }
}
