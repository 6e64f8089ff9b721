//! All routes.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use http::{HeaderName, Method, header};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::envelope::ApiError;
use super::handlers::{
    app_links, artifacts, audit, auth, health, me, oidc, openapi, repositories, task_record,
    task_stream, task_ws, tasks, tokens, users,
};
use super::{framing, limit, pages, request};
use crate::app::App;

/// How long an answer may take to begin; how long it takes to go through is up to the client.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The routes, with everything around them.
pub fn router(app: &Arc<App>) -> Router {
    let mut routes = api()
        // Whatever else begins like the API is none of it, and no page either.
        .route("/api/{*rest}", axum::routing::any(unknown))
        .route("/auth/{*rest}", axum::routing::any(unknown));
    routes = match &app.settings.web_dir {
        Some(dir) => routes.fallback_service(pages::folder(dir)),
        None => routes.merge(pages::built_in()).fallback(unknown),
    };
    let mut routes = routes
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(app.settings.max_body))
        .layer(middleware::from_fn(time_out))
        .layer(CatchPanicLayer::custom(panicked));
    if !app.settings.cors_origins.is_empty() {
        routes = routes.layer(cors(app));
    }
    routes
        .layer(middleware::from_fn(framing::check_host))
        .layer(middleware::from_fn(request::secure))
        .layer(middleware::from_fn_with_state(
            Arc::clone(app),
            request::around,
        ))
        .with_state(Arc::clone(app))
}

/// What the OpenAPI document describes: a test fails when one of them knows a route that the other does not.
fn api() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/auth/login", post(auth::login))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::logout))
        .route("/auth/methods", get(auth::list_methods))
        .route("/auth/oidc/login", get(oidc::begin_login))
        .route("/auth/oidc/callback", get(oidc::finish_login))
        .route("/auth/oidc/exchange", post(oidc::exchange_code))
        .route("/.well-known/jwks.json", get(auth::get_jwks))
        .route(
            "/.well-known/apple-app-site-association",
            get(app_links::get_apple_association),
        )
        .route(
            "/.well-known/assetlinks.json",
            get(app_links::list_asset_links),
        )
        .route(
            "/api/tasks",
            get(tasks::list_tasks).post(tasks::create_task),
        )
        .route(
            "/api/tasks/{id}",
            get(tasks::get_task).delete(tasks::cancel_task),
        )
        .route("/api/tasks/{id}/stream", get(task_stream::stream_task))
        .route("/api/tasks/{id}/ws", get(task_ws::watch_task))
        .route("/api/tasks/{id}/log", get(task_record::get_log))
        .route("/api/tasks/{id}/patch", get(task_record::get_patch))
        .route("/api/tasks/{id}/artifacts", get(artifacts::list_artifacts))
        .route(
            "/api/tasks/{id}/artifacts/{name}",
            get(artifacts::get_artifact),
        )
        .route("/api/repositories", get(repositories::list_repositories))
        .route("/api/me", get(me::get_me))
        .route("/api/me/password", post(me::change_password))
        .route(
            "/api/tokens",
            get(tokens::list_tokens).post(tokens::create_token),
        )
        .route("/api/tokens/{id}", delete(tokens::delete_token))
        .route(
            "/api/users",
            get(users::list_users).post(users::create_user),
        )
        .route(
            "/api/users/{id}",
            get(users::get_user)
                .patch(users::update_user)
                .delete(users::delete_user),
        )
        .route("/api/audit", get(audit::list_audit))
        .route("/api/audit/export", get(audit::export_audit))
        .route("/api/openapi.json", get(openapi::get_document))
        .route("/api/docs", get(openapi::get_reference))
        .route("/api/docs/style.css", get(openapi::get_reference_style))
}

/// Whether a route is a page, or a part of one.
#[must_use]
pub fn is_page(route: &str) -> bool {
    let is_api = ["/api/", "/auth/", "/.well-known/"]
        .iter()
        .any(|prefix| route.starts_with(prefix));
    (!is_api || route.starts_with("/api/docs"))
        && !matches!(route, "/healthz" | "/readyz" | "/metrics")
}

fn cors(app: &App) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(app.settings.cors_origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            request::REQUEST_ID,
        ])
        .expose_headers([
            request::REQUEST_ID,
            header::RETRY_AFTER,
            header::LOCATION,
            header::ETAG,
            limit::LIMIT,
            limit::REMAINING,
            limit::RESET,
        ])
        .max_age(Duration::from_secs(600))
}

async fn unknown() -> ApiError {
    ApiError::NotFound("there is nothing at this path")
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

/// The body of a stream goes on after this; only the wait for its beginning is bounded.
async fn time_out(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut.into_response(),
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast::<&'static str>().map_or_else(
            |_| "a handler panicked".to_owned(),
            |text| (*text).to_owned(),
        ),
    };
    ApiError::Internal(message.into()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::http::openapi::document;

    /// How axum keeps the fallback, which every router has.
    const FALLBACK: [&str; 2] = ["/", "/{*__private__axum_fallback}"];

    #[test]
    fn every_route_is_in_the_document_and_the_other_way_round() {
        // There is no other way to ask a router for its paths; the test of the methods is in tests/api/openapi.rs.
        let routes = format!("{:?}", super::api());
        let served: BTreeSet<String> = routes
            .split('"')
            .filter(|text| text.starts_with('/') && !FALLBACK.contains(text))
            .map(str::to_owned)
            .collect();
        let documented: BTreeSet<String> = document().paths.paths.into_keys().collect();
        assert_eq!(served, documented);
    }
}
