//! `GET /audit`: who did what, and when.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::{failed, page, signed_in};
use crate::http::App;
use crate::http::views::console::{Audit, AuditLine, Body};
use crate::http::views::moment::Moment;
use crate::store::{AuditEntry, AuditQuery};

/// Lines shown.
const LINES: u32 = 100;

/// Which lines are wanted.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wanted {
    /// Those with this in them.
    word: Option<String>,
}

pub(in crate::http) async fn audit(State(app): State<App>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    let word = wanted.word.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
    let query = AuditQuery { since: None, word: word.clone(), most: LINES };
    match app.flow.store.audit_log(query).await {
        Ok(entries) => {
            let cut = entries.len() as u32 == LINES;
            page(&app, StatusCode::OK, Body::Audit(Audit { entries: entries.into_iter().map(line).collect(), word, cut }))
        }
        Err(error) => failed(&app, &error.to_string()),
    }
}

fn line(AuditEntry { at, who, what, about }: AuditEntry) -> AuditLine {
    AuditLine { at: Moment(at.as_second()), who, what, about }
}
