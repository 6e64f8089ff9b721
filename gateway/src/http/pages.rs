//! The built-in page, and the folder of the web client that takes its place.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header;
use tower_http::services::{ServeDir, ServeFile};

use crate::app::App;

/// The page that is part of the program: it needs no build and no network.
pub fn built_in() -> Router<Arc<App>> {
    let page = |content_type, text| get(move || async move { asset(content_type, text) });
    Router::new()
        .route(
            "/",
            page(
                "text/html; charset=utf-8",
                include_str!("../../assets/index.html"),
            ),
        )
        .route(
            "/app.js",
            page(
                "text/javascript; charset=utf-8",
                include_str!("../../assets/app.js"),
            ),
        )
        .route(
            "/stream.js",
            page(
                "text/javascript; charset=utf-8",
                include_str!("../../assets/stream.js"),
            ),
        )
        .route(
            "/style.css",
            page(
                "text/css; charset=utf-8",
                include_str!("../../assets/style.css"),
            ),
        )
}

/// A folder with an exported web client.
pub fn folder(dir: &Path) -> ServeDir<ServeFile> {
    ServeDir::new(dir)
        .append_index_html_on_directories(true)
        .fallback(ServeFile::new(dir.join("404.html")))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // The next version of the gateway may bring another one under the same name.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
