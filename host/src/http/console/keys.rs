//! The console's page of signing keys.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::super::App;
use super::super::views::console::{Body, Key, KeyState, Keys, NextChange};
use super::super::views::moment::Moment;
use super::{page, signed_in};
use crate::flow::keys::KeyView;

/// `GET /keys`: what signs, what will, and what did.
pub(in super::super) async fn keys(State(app): State<App>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    page(&app, StatusCode::OK, Body::Keys(Keys { keys: app.flow.key_views().iter().map(key).collect() }))
}

fn key(view: &KeyView) -> Key {
    Key {
        alg: view.alg.as_str(),
        kid: view.kid.clone(),
        state: match view.state {
            "active" => KeyState::Active,
            "next" => KeyState::Next,
            _ => KeyState::Retired,
        },
        since: Moment(view.since.as_second()),
        imported: view.imported,
        next: view.next.map(|(what, at)| NextChange { what, at: Moment(at.as_second()) }),
    }
}
