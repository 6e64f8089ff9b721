//! `/api/openapi.json` and `/api/docs`: the API about itself.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header;

use crate::http::openapi::{self, reference};

// Both are the same for the life of the program.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::text().into());
static REFERENCE: LazyLock<Bytes> = LazyLock::new(|| reference::page().into());

/// `GET /api/openapi.json`
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "system",
    summary = "This document",
    responses((status = 200, body = Object)),
)]
pub async fn get_document() -> Response {
    asset("application/json", DOCUMENT.clone())
}

/// `GET /api/docs`: the same for people. The page needs no script and nothing from elsewhere.
#[utoipa::path(
    get,
    path = "/api/docs",
    tag = "system",
    summary = "This document as a page",
    responses((status = 200, body = String, content_type = "text/html; charset=utf-8")),
)]
pub async fn get_reference() -> Response {
    asset("text/html; charset=utf-8", REFERENCE.clone())
}

/// `GET /api/docs/style.css`
#[utoipa::path(
    get,
    path = "/api/docs/style.css",
    tag = "system",
    summary = "How that page looks",
    responses((status = 200, body = String, content_type = "text/css; charset=utf-8")),
)]
pub async fn get_reference_style() -> Response {
    let style = include_str!("../../../assets/reference.css");
    asset(
        "text/css; charset=utf-8",
        Bytes::from_static(style.as_bytes()),
    )
}

fn asset(content_type: &'static str, body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // The next version of the gateway brings another one under the same name.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}
