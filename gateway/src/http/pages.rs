//! The built-in page, and the folder of the web client that takes its place.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use tower_http::services::{ServeDir, ServeFile};

use super::envelope::{ApiError, ErrorPage};
use super::page_policy::page_policy;
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
            "/sso.js",
            page(
                "text/javascript; charset=utf-8",
                include_str!("../../assets/sso.js"),
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
pub fn folder(dir: &Path) -> Router {
    let files = ServeDir::new(dir)
        .append_index_html_on_directories(true)
        .precompressed_br()
        .precompressed_gzip()
        .not_found_service(ServeFile::new(dir.join("404.html")));
    Router::new()
        .fallback_service(files)
        .layer(middleware::from_fn(finish_file))
}

/// The files whose names change with their content.
const IMMUTABLE: &str = "/_next/static/";
/// The longest page, in bytes. Exported pages have some ten thousand.
const MAX_PAGE: usize = 4 * 1024 * 1024;

/// Adds what a browser has to know about a file: how long it may keep it and, for a page, which of its inline scripts may run.
async fn finish_file(request: Request, next: Next) -> Response {
    let is_immutable = request.uri().path().starts_with(IMMUTABLE);
    let response = next.run(request).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page && matches!(response.status(), StatusCode::OK | StatusCode::NOT_FOUND) {
        return finish_page(response).await;
    }
    let mut response = response;
    let keep = if is_immutable && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// The scripts that stand in an exported page start the web client. The policy names each by its hash, taken from the very bytes that
/// are sent, so a page and its policy cannot disagree.
async fn finish_page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = match axum::body::to_bytes(body, MAX_PAGE).await {
        Ok(bytes) => bytes,
        Err(error) => return ApiError::Internal(error.into()).into_response(),
    };
    if let Ok(policy) = HeaderValue::from_str(&page_policy(&bytes)) {
        parts
            .headers
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // A 304 would bring a policy without the hashes to a page that needs them, so there is nothing to ask for one with.
    parts.headers.remove(header::LAST_MODIFIED);
    if parts.status == StatusCode::NOT_FOUND {
        parts.extensions.insert(ErrorPage);
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // The next version of the gateway may bring another one under the same name.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
