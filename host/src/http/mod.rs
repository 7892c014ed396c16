//! HTTP: all routes on one screen, one file per endpoint. A handler extracts, calls the flow, and answers.

mod admin;
mod answer;
mod assets;
mod backchannel;
mod body;
mod client;
mod conformance;
mod console;
mod cookie;
mod demo;
mod device;
mod discovery;
mod guard;
mod health;
mod hooks;
mod inbound;
mod metrics;
mod peer;
mod registration;
mod resource;
pub mod serve;
mod token;
pub mod views;
mod watch;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, get, post};
use tokio::sync::Semaphore;

pub use admin::AdminToken;
pub use console::Sessions;
pub use demo::{Demo, DemoLinks};
pub use guard::{Hosts, nameable};
pub use metrics::Metrics;
pub use peer::{Peer, Peers};
pub use views::console::Conformance;

use crate::flow::Flow;
use crate::flow::operator::Operator;
use crate::protocol::discovery::path;

/// The longest body of any request, in bytes.
const BODY_MAX: usize = 64 << 10;

/// What every handler can reach. Handed to each request, so one pointer.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl From<Parts> for App {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What an [`App`] is made of.
#[derive(Clone)]
pub struct Parts {
    /// The story.
    pub flow: Arc<Flow>,
    /// What operators may do.
    pub operator: Operator,
    /// The provider's name for people.
    pub name: Arc<str>,
    /// Who signed in to the console.
    pub sessions: Arc<Sessions>,
    /// What opens the admin API.
    pub admin_token: Arc<AdminToken>,
    /// The demo page's own state, in the demo mode.
    pub demo: Option<Arc<Demo>>,
    /// What the conformance switch changes, while it is on.
    pub conformance: Option<Arc<Conformance>>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Whether the pages of this listener say that they are not encrypted.
    pub not_encrypted: bool,
    /// Whether certificates of clients are seen here, by ourselves or by a proxy.
    pub certificates: bool,
    /// Whether cookies are for TLS only.
    pub secure: bool,
}

/// The public listener: what clients and outside providers call. It carries the device page unless that has a
/// listener of its own.
pub fn public(app: App, hosts: Hosts, with_device: bool) -> Router {
    let mut protocol = Router::new()
        .route(path::DISCOVERY, get(discovery::document))
        .route(path::JWKS, get(discovery::jwks))
        .route(path::BACKCHANNEL_AUTHENTICATION, post(backchannel::authenticate))
        .route(path::TOKEN, post(token::redeem))
        .route(path::INTROSPECTION, post(token::introspect))
        .route(path::REVOCATION, post(token::revoke))
        .route(path::USER_INFO, get(resource::user_info).post(resource::user_info))
        .route(path::RESOURCE, get(resource::resource))
        .route(path::AUTHORIZATION, get(resource::authorize).post(resource::authorize))
        .route(path::REGISTRATION, post(registration::register))
        .route(
            &format!("{}/{{client_id}}", path::REGISTRATION),
            get(registration::read).put(registration::change).delete(registration::remove),
        )
        .route("/hooks/v1/notify", post(hooks::notify));
    if let Some(address) = app.flow.conformance.address() {
        protocol = protocol.route(&address, post(conformance::decide));
    }
    if app.demo.is_some() {
        protocol = protocol.merge(demo_routes());
    }
    let routes = if with_device { protocol.merge(device_routes()) } else { protocol.merge(assets()) };
    finish(routes, app, hosts)
}

/// The device page, on a listener of its own.
pub fn device(app: App, hosts: Hosts) -> Router {
    finish(device_routes(), app, hosts)
}

/// The console and the admin API.
pub fn admin(app: App, hosts: Hosts) -> Router {
    let console = Router::new()
        .route("/", get(console::overview))
        .route("/login", post(console::sign_in))
        .route("/plugins/{name}", get(console::plugin))
        .route("/plugins/{name}/set", post(console::set))
        .route("/plugins/{name}/allow", post(console::allow))
        .route("/plugins/{name}/rollback", post(console::roll_back))
        .route("/requests", get(console::requests))
        .route("/clients", get(console::clients))
        .route("/clients/{id}", get(console::client))
        .route("/keys", get(console::keys))
        .route("/audit", get(console::audit))
        .route("/events", get(console::events))
        .layer(middleware::from_fn(guard::to_the_end))
        .layer(middleware::from_fn(guard::same_origin));
    let api = Router::new()
        .route("/admin/v1/command", post(admin::command))
        .route("/admin/v1/console-link", post(admin::console_link))
        .layer(middleware::from_fn(guard::to_the_end));
    let metrics = Router::new().route("/metrics", get(metrics::metrics));
    finish(console.merge(api).merge(metrics).merge(assets()), app, hosts)
}

/// The plugins' own origin, never the device page's: a plugin must not be able to approve by serving a script.
pub fn plugins(app: App, hosts: Hosts) -> Router {
    let places = Arc::new(Semaphore::new(inbound::AT_ONCE));
    let call = move |state, request| inbound::call(state, Arc::clone(&places), request);
    let routes = Router::new().route("/{name}", any(call.clone())).route("/{name}/{*rest}", any(call.clone())).route("/{name}/", any(call));
    finish(routes, app, hosts)
}

fn device_routes() -> Router<App> {
    Router::new()
        .route("/device", get(device::page))
        .route("/device/enrol", post(device::enrol))
        .route("/device/enrol/look", post(device::look))
        .route("/device/open", post(device::open))
        .route("/device/cards", get(device::cards))
        .route("/device/cards/{transaction}", get(device::card))
        .route("/device/check", post(device::check))
        .route("/device/decide", post(device::decide))
        .route("/device/events", get(device::events))
        .route("/device/history", get(device::history))
        .route("/device/remove", post(device::remove))
        .layer(middleware::from_fn(guard::to_the_end))
        .layer(middleware::from_fn(guard::same_origin))
        .merge(assets())
}

fn demo_routes() -> Router<App> {
    Router::new()
        .route("/demo", get(demo::page))
        .route("/demo/phone", post(demo::phone))
        .route("/demo/console", post(demo::console))
        .route("/demo/start", post(demo::start))
        .route("/demo/runs/{run}", get(demo::run))
        .route("/demo/traffic", post(demo::traffic))
        .route("/demo/status", get(demo::status))
        .route("/demo/states", get(demo::states))
        .route("/demo/states/{name}", get(demo::state))
        .layer(middleware::from_fn(guard::same_origin))
}

fn assets() -> Router<App> {
    Router::new().route("/static/{file}", get(assets::file))
}

/// What every listener has, and what wraps every route.
fn finish(routes: Router<App>, app: App, hosts: Hosts) -> Router {
    routes
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), guard::known_host))
        .layer(middleware::from_fn_with_state(Arc::clone(&app.metrics), watch::watch))
        .with_state(app)
}
