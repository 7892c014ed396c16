//! The device page, and what its script asks for.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;

use super::App;
use super::answer::Refusal;
use super::body::FormBody;
use super::cookie::{Cookie, SameSite};
use super::views::Script;
use super::views::device::{
    Answer, AnsweredBy, Body, Card as CardView, CardFragment, CardState, CardsFragment, Client as ClientView, Connection, EnrolLink,
    History, HistoryEntry, Note, Outcome, Page, Requests,
};
use super::views::moment::Moment;
use super::views::text::Locale;
use crate::flow::Waiting;
use crate::flow::decide::{By, SIMULATED};
use crate::flow::device::Session;
use crate::protocol::form::Form;
use crate::protocol::identifier::{TransactionId, UserId};
use crate::protocol::transaction::{Decision, Request, State as RequestState, Stored};
use crate::store::{Card, Decided, StoreError};

/// The session of a device page. It comes with links in mails and chats; nothing is decided by following one. A phone
/// stays connected for a year of not being used.
const COOKIE: Cookie = Cookie { name: "ciba_device", path: "/device", seconds: 365 * 24 * 3600, same_site: SameSite::Lax };
/// How often a quiet stream says that it is alive. The script counts on it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the news that a request no longer waits may wait itself.
const GOING: Duration = Duration::from_millis(100);
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
        Ok(session) => requests(&app, &headers, session).await,
        Err(Trouble::NotEnrolled) => {
            let body = if COOKIE.read(&headers).is_some() { Body::Removed } else { Body::Enrol(EnrolLink::NotOpened) };
            Ok(whole(&app, spoken(&headers), body).into_response())
        }
        Err(trouble) => Err(trouble),
    };
    by_hand(&app, &headers, answer)
}

async fn requests(app: &App, headers: &HeaderMap, session: Session) -> Result<Response, Trouble> {
    let locale = locale_of(&session, headers);
    let now = app.flow.clock.now().as_millisecond();
    let cards = app.flow.cards(&session).await?.iter().map(|card| card_view(app, card, &session, locale, now)).collect();
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
    Ok((renewed, whole(app, locale, Body::Requests(body))).into_response())
}

/// `POST /device/enrol/look`: whose link this is, without using it.
pub(super) async fn look(State(app): State<App>, FormBody { form, .. }: FormBody) -> Result<Response, Trouble> {
    let token = form.required("token", TOKEN_MAX).map_err(Refusal::from)?;
    Ok(match app.flow.look_enrolment(token).await? {
        Some(user) => Json(json!({ "user_id": user.id, "user_name": user.name })).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "used-or-expired" }))).into_response(),
    })
}

/// `POST /device/enrol`: adds this phone.
pub(super) async fn enrol(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
    let answer = enrolled(&app, &headers, &form).await;
    by_hand(&app, &headers, answer)
}

async fn enrolled(app: &App, headers: &HeaderMap, form: &Form) -> Result<Response, Trouble> {
    let token = form.required("token", TOKEN_MAX).map_err(Refusal::from)?;
    Ok(match app.flow.enrol(token, form.value("name").unwrap_or_default()).await? {
        Some((session, _)) => ([(header::SET_COOKIE, COOKIE.set(session.reveal(), app.secure))], Redirect::to("/device")).into_response(),
        None => (StatusCode::BAD_REQUEST, whole(app, spoken(headers), Body::Enrol(EnrolLink::Used))).into_response(),
    })
}

/// `POST /device/open`: opens a request by a one-time link.
pub(super) async fn open(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
    let answer = opened(&app, &headers, &form).await;
    by_hand(&app, &headers, answer)
}

async fn opened(app: &App, headers: &HeaderMap, form: &Form) -> Result<Response, Trouble> {
    let token = form.required("token", TOKEN_MAX).map_err(Refusal::from)?;
    let session = match session(app, headers).await {
        Err(Trouble::NotEnrolled) => {
            let page = whole(app, spoken(headers), Body::Enrol(EnrolLink::OfRequest));
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
        other => other?,
    };
    if app.flow.open_link(&session, token).await? {
        app.flow.wakes.user_changed(&session.user.id);
        return Ok(Redirect::to("/device").into_response());
    }
    Ok((StatusCode::BAD_REQUEST, whole(app, locale_of(&session, headers), Body::OpenFailed)).into_response())
}

/// `GET /device/cards`: the list alone.
pub(super) async fn cards(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let session = session(&app, &headers).await?;
    let cards = app.flow.cards(&session).await?;
    Ok(list(&app, &session, &headers, &cards))
}

/// `POST /device/check`: the list, with what no plugin announced.
pub(super) async fn check(State(app): State<App>, FormBody { headers, .. }: FormBody) -> Response {
    let answer = checked(&app, &headers).await;
    by_hand(&app, &headers, answer)
}

async fn checked(app: &App, headers: &HeaderMap) -> Result<Response, Trouble> {
    let session = session(app, headers).await?;
    let cards = app.flow.check(&session).await?;
    // The person's other pages show it now as well.
    app.flow.wakes.user_changed(&session.user.id);
    if !from_script(headers) {
        return Ok(Redirect::to("/device").into_response());
    }
    Ok(list(app, &session, headers, &cards))
}

/// `GET /device/cards/{transaction}`: what became of one request.
pub(super) async fn card(State(app): State<App>, Path(transaction): Path<String>, headers: HeaderMap) -> Result<Response, Trouble> {
    let session = session(&app, &headers).await?;
    let found = app.flow.card(&session, &TransactionId(transaction)).await?;
    Ok(match found {
        Some(card) => one(&app, &session, &headers, &card, StatusCode::OK),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// `POST /device/decide`: approve, deny, or report that it was not them.
pub(super) async fn decide(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
    let answer = decided(&app, &headers, &form).await;
    by_hand(&app, &headers, answer)
}

async fn decided(app: &App, headers: &HeaderMap, form: &Form) -> Result<Response, Trouble> {
    let session = session(app, headers).await?;
    let transaction = TransactionId(form.required("transaction", TOKEN_MAX).map_err(Refusal::from)?.to_owned());
    let decision = match form.value("decision") {
        Some("approve") => Some(Decision::Approve),
        Some("deny") => Some(Decision::Deny),
        Some("report") => None,
        _ => return Ok((StatusCode::BAD_REQUEST, "decision must be approve, deny or report\n").into_response()),
    };
    let (status, card) = match decision {
        Some(decision) => match app.flow.decide(&transaction, &session.user.id, decision, By::Device(&session.device), None).await? {
            Decided::Now(card) => (StatusCode::OK, Some(*card)),
            Decided::Not(card) => (StatusCode::CONFLICT, card.map(|card| *card)),
        },
        None => {
            let counts = app.flow.report(&transaction, &session.user.id).await?;
            (if counts { StatusCode::OK } else { StatusCode::CONFLICT }, app.flow.card(&session, &transaction).await?)
        }
    };
    if !from_script(headers) {
        return Ok(Redirect::to("/device").into_response());
    }
    Ok(match card {
        Some(card) => one(app, &session, headers, &card, status),
        None => StatusCode::NOT_FOUND.into_response(),
    })
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

/// `POST /device/remove`: disconnects this phone.
pub(super) async fn remove(State(app): State<App>, FormBody { headers, .. }: FormBody) -> Response {
    let answer = removed(&app, &headers).await;
    by_hand(&app, &headers, answer)
}

async fn removed(app: &App, headers: &HeaderMap) -> Result<Response, Trouble> {
    let session = session(app, headers).await?;
    app.flow.remove_device(&session).await?;
    Ok(Redirect::to("/device").into_response())
}

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
pub(super) async fn events(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
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

fn list(app: &App, session: &Session, headers: &HeaderMap, cards: &[Card]) -> Response {
    let (locale, now_ms) = (locale_of(session, headers), app.flow.clock.now().as_millisecond());
    let cards = cards.iter().map(|card| card_view(app, card, session, locale, now_ms)).collect();
    Html(CardsFragment { locale, now_ms, cards }.render()).into_response()
}

fn one(app: &App, session: &Session, headers: &HeaderMap, card: &Card, status: StatusCode) -> Response {
    let (locale, now_ms) = (locale_of(session, headers), app.flow.clock.now().as_millisecond());
    let card = card_view(app, card, session, locale, now_ms);
    (status, Html(CardFragment { locale, now_ms, card }.render())).into_response()
}

fn client_view(card: &Card) -> ClientView {
    ClientView { identifier: card.request.client.0.clone(), verified_name: card.client_name.clone() }
}

/// What it allows beyond scopes, a sentence each: in the person's own language, where its operator wrote some in that.
fn details(app: &App, request: &Request, session: &Session, locale: Locale) -> Vec<String> {
    let details = request.particulars.as_ref().and_then(|particulars| particulars.authorization_details.as_ref());
    let language = session.user.locale.as_deref().unwrap_or_else(|| locale.tag());
    details.map(|details| app.flow.details_in_words(details, Some(language))).unwrap_or_default()
}

fn card_view(app: &App, card: &Card, session: &Session, locale: Locale, now_ms: i64) -> CardView {
    let request = &card.request;
    let answer = || Answer { by: answered_by(card, session), at: Moment(request.decided_at.unwrap_or(request.expires_at).as_second()) };
    let state = match request.stored {
        _ if card.reported => CardState::Reported,
        Stored::Pending if now_ms >= request.expires_at.as_millisecond() => CardState::Expired,
        Stored::Pending => CardState::Pending,
        Stored::Approved | Stored::Redeemed => CardState::Approved(answer()),
        Stored::Denied if request.is_given_up() => CardState::Expired,
        Stored::Denied => CardState::Denied(answer()),
        Stored::Superseded => CardState::Superseded,
    };
    CardView {
        transaction: request.transaction.0.clone(),
        client: client_view(card),
        details: details(app, request, session, locale),
        scopes: request.scope.split(' ').map(str::to_owned).collect(),
        binding_message: request.binding_message.clone(),
        note: card.note.clone().map(Note),
        expires_at: Moment(request.expires_at.as_second()),
        needs_more: app.flow.page_is_too_weak(card.acr_minimum.as_deref()),
        state,
    }
}

/// Who answered. Two phones may bear one name, so the device counts.
fn answered_by(card: &Card, session: &Session) -> AnsweredBy {
    match &card.decided_by {
        None if card.decided_on.as_deref() == Some(SIMULATED) => AnsweredBy::Simulated,
        None => AnsweredBy::Operator,
        Some(device) if *device == session.device.id => AnsweredBy::ThisPhone,
        Some(_) => AnsweredBy::Device(card.decided_on.clone().unwrap_or_default()),
    }
}

/// What the history says of a request; one that still waits is not history.
fn history_entry(app: &App, card: &Card, session: &Session, locale: Locale, now: jiff::Timestamp) -> Option<HistoryEntry> {
    let request = &card.request;
    let outcome = match request.stored {
        _ if card.reported => Outcome::Reported,
        Stored::Pending if request.state(now) == RequestState::Pending => return None,
        Stored::Pending => Outcome::Expired,
        Stored::Approved | Stored::Redeemed => Outcome::Approved,
        Stored::Denied if request.is_given_up() => Outcome::Expired,
        Stored::Denied => Outcome::Denied,
        Stored::Superseded => Outcome::Superseded,
    };
    Some(HistoryEntry {
        transaction: request.transaction.0.clone(),
        client: client_view(card),
        details: details(app, request, session, locale),
        binding_message: request.binding_message.clone(),
        outcome,
        at: Moment(request.decided_at.unwrap_or(request.expires_at).as_second()),
        by: request.decided_at.filter(|_| outcome != Outcome::Superseded).map(|_| answered_by(card, session)),
    })
}
