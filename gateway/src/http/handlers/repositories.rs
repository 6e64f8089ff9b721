//! `GET /api/repositories`: what `cwd` may be.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use codex_crds::allow_list::Entry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::identity::Identity;

/// The allow-list.
#[derive(Serialize, ToSchema)]
#[schema(as = RepositoryList)]
pub struct List {
    repositories: Vec<Repository>,
}

/// One entry, without where it comes from: that is nobody's business but the administrator's.
#[derive(Serialize, ToSchema)]
pub struct Repository {
    name: String,
    /// The folder, for `cwd`.
    path: String,
    #[schema(required)]
    description: Option<String>,
    /// The model of tasks that name none.
    #[schema(required)]
    model: Option<String>,
    /// The time limit of tasks that name none.
    #[schema(required)]
    timeout_seconds: Option<i64>,
    /// Whether tasks without `cwd` work here.
    default: bool,
}

/// `GET /api/repositories`
///
/// # Errors
/// 503 before Kubernetes was reached for the first time.
#[utoipa::path(
    get,
    path = "/api/repositories",
    tag = "repositories",
    security(("bearer" = [])),
    summary = "List the repositories",
    description = "What `cwd` may be.",
    responses((status = 200, body = List)),
)]
pub async fn list_repositories(
    State(app): State<Arc<App>>,
    _: Identity,
) -> Result<Json<List>, ApiError> {
    let all = app.repositories.all().await.ok_or(ApiError::Unavailable {
        store: "kubernetes",
        source: None,
    })?;
    let only_one = all.len() == 1;
    let repositories = all
        .iter()
        .map(|repository| {
            let entry = Entry::from(&**repository);
            Repository {
                default: entry.is_default || only_one,
                name: entry.name,
                path: entry.path,
                description: repository.spec.description.clone(),
                model: repository.spec.model.clone(),
                timeout_seconds: repository.spec.timeout_seconds,
            }
        })
        .collect();
    Ok(Json(List { repositories }))
}
