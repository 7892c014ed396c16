//! The device page, and what its script asks for.

mod enrol;
mod events;
mod requests;
mod shown;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::json;

use super::App;
use super::answer::Refusal;
use super::cookie::{Cookie, SameSite};
use super::views::Script;
use super::views::device::{Body, Card as CardView, Connection, EnrolLink, History, NotCounted, Page, Requests};
use super::views::text::Locale;
use crate::flow::device::Session;
use crate::protocol::identifier::TransactionId;
use crate::store::StoreError;
pub(super) use enrol::{enrol, look, remove};
pub(super) use events::events;
pub(super) use requests::{card, cards, check, decide, open};
use shown::{card_view, history_entry};

/// The session of a device page. It comes with links in mails and chats; nothing is decided by following one. A phone
/// stays connected for a year of not being used.
const COOKIE: Cookie = Cookie { name: "ciba_device", path: "/device", seconds: 365 * 24 * 3600, same_site: SameSite::Lax };
/// The longest token that is looked up, in bytes.
const TOKEN_MAX: usize = 256;

/// What a device page is told instead of what it asked for.
pub(super) enum Trouble {
    /// This browser is nobody's phone, or was removed.
    NotEnrolled,
    /// Something of ours failed.
    Store(StoreError),
    /// The form was not one of ours.
    Form(Refusal),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Form(refusal)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Self::NotEnrolled => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "removed" }))).into_response(),
            Self::Store(error) => Refusal::from(error).into_response(),
            Self::Form(refusal) => refusal.into_response(),
        }
    }
}

/// What a person who sent a form by hand sees in place of an error for a program.
fn by_hand(app: &App, headers: &HeaderMap, answer: Result<Response, Trouble>) -> Response {
    match answer {
        Ok(response) => response,
        Err(trouble) if from_script(headers) => trouble.into_response(),
        // The page knows best what to say to a phone that is connected no more.
        Err(Trouble::NotEnrolled) => Redirect::to("/device").into_response(),
        Err(Trouble::Store(error)) => {
            tracing::error!(%error, "the device page cannot be shown");
            (StatusCode::SERVICE_UNAVAILABLE, whole(app, spoken(headers), Body::Trouble)).into_response()
        }
        Err(Trouble::Form(refusal)) => refusal.into_response(),
    }
}

/// `GET /device`: the requests of whoever is enrolled here, or the way to be.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    let answer = match session(&app, &headers).await {
        Ok(session) => waiting(&app, &headers, session, None).await.map(IntoResponse::into_response),
        Err(Trouble::NotEnrolled) => {
            let body = if COOKIE.read(&headers).is_some() { Body::Removed } else { Body::Enrol(EnrolLink::NotOpened) };
            Ok(whole(&app, spoken(&headers), body).into_response())
        }
        Err(trouble) => Err(trouble),
    };
    by_hand(&app, &headers, answer)
}

/// The page with what waits, and why the answer to one of them does not count.
async fn waiting(
    app: &App,
    headers: &HeaderMap,
    session: Session,
    mut not_counted: Option<(TransactionId, NotCounted)>,
) -> Result<impl IntoResponse + use<>, Trouble> {
    let locale = locale_of(&session, headers);
    let now = app.flow.clock.now().as_millisecond();
    let cards = app.flow.cards(&session).await?;
    let cards = cards.iter().map(|card| {
        let why = not_counted.take_if(|(transaction, _)| *transaction == card.request.transaction).map(|(_, why)| why);
        CardView { not_counted: why, ..card_view(app, card, &session, locale, now) }
    });
    let cards = cards.collect();
    let body = Requests {
        user_id: session.user.id.0,
        user_name: session.user.name,
        device_name: session.device.name,
        connection: Connection::Unknown,
        check_failed: false,
        cards,
    };
    // Each visit begins the year anew.
    let renewed = COOKIE.read(headers).map(|session| [(header::SET_COOKIE, COOKIE.set(session, app.secure))]);
    Ok((renewed, whole(app, locale, Body::Requests(body))))
}

/// `GET /device/history`
pub(super) async fn history(State(app): State<App>, headers: HeaderMap) -> Response {
    let answer = past(&app, &headers).await;
    by_hand(&app, &headers, answer)
}

async fn past(app: &App, headers: &HeaderMap) -> Result<Response, Trouble> {
    let session = session(app, headers).await?;
    let now = app.flow.clock.now();
    let history = app.flow.history(&session).await?;
    let locale = locale_of(&session, headers);
    let entries = history.iter().filter_map(|card| history_entry(app, card, &session, locale, now)).collect();
    let body = History { user_name: session.user.name, device_name: session.device.name, entries };
    Ok(whole(app, locale, Body::History(body)).into_response())
}

async fn session(app: &App, headers: &HeaderMap) -> Result<Session, Trouble> {
    let cookie = COOKIE.read(headers).ok_or(Trouble::NotEnrolled)?;
    app.flow.device_session(cookie).await?.ok_or(Trouble::NotEnrolled)
}

fn from_script(headers: &HeaderMap) -> bool {
    headers.get("x-requested-with").is_some_and(|with| with == "fetch")
}

/// What the browser speaks.
fn spoken(headers: &HeaderMap) -> Locale {
    let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|languages| languages.to_str().ok()).unwrap_or_default();
    Locale::from_accept_language(header)
}

/// What the person speaks, where the operator knows, and else what the browser does.
fn locale_of(session: &Session, headers: &HeaderMap) -> Locale {
    session.user.locale.as_deref().and_then(Locale::from_tag).unwrap_or_else(|| spoken(headers))
}

fn whole(app: &App, locale: Locale, body: Body) -> Html<String> {
    let page = Page {
        locale,
        provider_name: app.name.to_string(),
        now_ms: app.flow.clock.now().as_millisecond(),
        not_encrypted: app.not_encrypted,
        script: Script::Live,
        body,
    };
    Html(page.render())
}
