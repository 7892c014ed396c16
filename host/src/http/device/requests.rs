//! The requests of a person: their list, one of them, and what the person answers.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::shown::card_view;
use super::{TOKEN_MAX, Trouble, by_hand, from_script, locale_of, session, spoken, waiting, whole};
use crate::flow::decide::{Answered, By};
use crate::flow::device::Session;
use crate::http::App;
use crate::http::answer::Refusal;
use crate::http::body::FormBody;
use crate::http::views::device::{Body, Card as CardView, CardFragment, CardsFragment, EnrolLink, NotCounted, Note};
use crate::protocol::form::Form;
use crate::protocol::identifier::TransactionId;
use crate::protocol::transaction::Decision;
use crate::store::Card;

/// `POST /device/open`: opens a request by a one-time link.
pub(in crate::http) async fn open(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
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
pub(in crate::http) async fn cards(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let session = session(&app, &headers).await?;
    let cards = app.flow.cards(&session).await?;
    Ok(list(&app, &session, &headers, &cards))
}

/// `POST /device/check`: the list, with what no plugin announced.
pub(in crate::http) async fn check(State(app): State<App>, FormBody { headers, .. }: FormBody) -> Response {
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
pub(in crate::http) async fn card(
    State(app): State<App>,
    Path(transaction): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let session = session(&app, &headers).await?;
    let found = app.flow.card(&session, &TransactionId(transaction)).await?;
    Ok(match found {
        Some(card) => one(&app, &session, &headers, &card, StatusCode::OK, None),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// `POST /device/decide`: approve, deny, or report that it was not them.
pub(in crate::http) async fn decide(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
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
    let (status, card, not_counted) = match decision {
        Some(decision) => match app.flow.decide(&transaction, &session.user.id, decision, By::Device(&session.device), None).await? {
            Answered::Now(card) => (StatusCode::OK, Some(card), None),
            Answered::Not(card) => (StatusCode::CONFLICT, card, None),
            Answered::AskAgain(card, note) => (StatusCode::CONFLICT, Some(card), Some(NotCounted::Missing(Note(note.into_text())))),
            Answered::Unreviewed(card) => (StatusCode::CONFLICT, Some(card), Some(NotCounted::Unreviewed)),
        },
        None => {
            let counts = app.flow.report(&transaction, &session.user.id).await?;
            let card = app.flow.card(&session, &transaction).await?.map(Box::new);
            (if counts { StatusCode::OK } else { StatusCode::CONFLICT }, card, None)
        }
    };
    match (card, not_counted) {
        (Some(card), not_counted) if from_script(headers) => Ok(one(app, &session, headers, &card, status, not_counted)),
        (None, _) if from_script(headers) => Ok(StatusCode::NOT_FOUND.into_response()),
        // What is only said now stands on no page that another request would show.
        (Some(card), Some(not_counted)) => {
            let page = waiting(app, headers, session, Some((card.request.transaction, not_counted))).await?;
            Ok((status, page).into_response())
        }
        _ => Ok(Redirect::to("/device").into_response()),
    }
}

fn list(app: &App, session: &Session, headers: &HeaderMap, cards: &[Card]) -> Response {
    let (locale, now_ms) = (locale_of(session, headers), app.flow.clock.now().as_millisecond());
    let cards = cards.iter().map(|card| card_view(app, card, session, locale, now_ms)).collect();
    Html(CardsFragment { locale, now_ms, cards }.render()).into_response()
}

fn one(app: &App, session: &Session, headers: &HeaderMap, card: &Card, status: StatusCode, not_counted: Option<NotCounted>) -> Response {
    let (locale, now_ms) = (locale_of(session, headers), app.flow.clock.now().as_millisecond());
    let card = CardView { not_counted, ..card_view(app, card, session, locale, now_ms) };
    (status, Html(CardFragment { locale, now_ms, card }.render())).into_response()
}
