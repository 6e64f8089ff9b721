//! Which apps open links to this gateway, where phones ask for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Serialize;

use crate::app::App;
use crate::app_links::{AppleAppSiteAssociation, AssetLink};
use crate::http::envelope::{ApiError, Envelope};

const NO_IOS_APP: ApiError =
    ApiError::NotFound("no app for iOS opens links to this gateway; CODEX_IOS_APPS names them");
const NO_ANDROID_APP: ApiError = ApiError::NotFound(
    "no app for Android opens links to this gateway; CODEX_ANDROID_APPS names them",
);
/// Phones and the caches of their makers ask when an app is installed, and then rarely.
const CACHED: &str = "public, max-age=3600";

/// `GET /.well-known/apple-app-site-association`.
///
/// # Errors
/// [`ApiError::NotFound`] when no app is configured.
#[utoipa::path(
    get,
    path = "/.well-known/apple-app-site-association",
    tag = "system",
    summary = "Get the iOS apps that open links to this gateway",
    description = "Asked by iOS when an app is installed, for universal links to the pages of tasks.",
    responses(
        (status = 200, body = AppleAppSiteAssociation),
        (status = 404, description = "No such app is configured.", body = Envelope<'_>),
    ),
)]
pub async fn get_apple_association(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let association = app.settings.app_links.apple().ok_or(NO_IOS_APP)?;
    Ok(answer(&association))
}

/// `GET /.well-known/assetlinks.json`.
///
/// # Errors
/// [`ApiError::NotFound`] when no app is configured.
#[utoipa::path(
    get,
    path = "/.well-known/assetlinks.json",
    tag = "system",
    summary = "Get the Android apps that open links to this gateway",
    description = "Asked by Android when an app is installed, for app links to the pages of tasks.",
    responses(
        (status = 200, body = Vec<AssetLink>),
        (status = 404, description = "No such app is configured.", body = Envelope<'_>),
    ),
)]
pub async fn list_asset_links(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let links = app.settings.app_links.android();
    if links.is_empty() {
        return Err(NO_ANDROID_APP);
    }
    Ok(answer(&links))
}

/// Never a redirect, which iOS does not follow, and `application/json` although one of the names has no ending.
fn answer(body: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(body)).into_response()
}
