//! `GET /static/{file}`: what the pages are made of, compiled in.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::answer;
use super::views::assets;

/// One file. It may be kept for a while, but is asked for again, because its name does not change with its content.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match assets::find(&name) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "max-age=60"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, asset.body).into_response()
        }
        None => answer::not_found().await,
    }
}
