//! A phone is connected, and disconnected.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::{COOKIE, TOKEN_MAX, Trouble, by_hand, session, spoken, whole};
use crate::http::App;
use crate::http::answer::Refusal;
use crate::http::body::FormBody;
use crate::http::views::device::{Body, EnrolLink};
use crate::protocol::form::Form;

/// `POST /device/enrol/look`: whose link this is, without using it.
pub(in crate::http) async fn look(State(app): State<App>, FormBody { form, .. }: FormBody) -> Result<Response, Trouble> {
    let token = form.required("token", TOKEN_MAX).map_err(Refusal::from)?;
    Ok(match app.flow.look_enrolment(token).await? {
        Some(user) => Json(json!({ "user_id": user.id, "user_name": user.name })).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "used-or-expired" }))).into_response(),
    })
}

/// `POST /device/enrol`: adds this phone.
pub(in crate::http) async fn enrol(State(app): State<App>, FormBody { headers, form }: FormBody) -> Response {
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

/// `POST /device/remove`: disconnects this phone.
pub(in crate::http) async fn remove(State(app): State<App>, FormBody { headers, .. }: FormBody) -> Response {
    let answer = removed(&app, &headers).await;
    by_hand(&app, &headers, answer)
}

async fn removed(app: &App, headers: &HeaderMap) -> Result<Response, Trouble> {
    let session = session(app, headers).await?;
    app.flow.remove_device(&session).await?;
    Ok(Redirect::to("/device").into_response())
}
