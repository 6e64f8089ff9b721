//! `GET /api/repositories`: what `cwd` may be.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use codex_crds::allow_list::Entry;
use serde::Serialize;

use crate::app::App;
use crate::http::envelope::ApiError;
use crate::http::identity::Identity;

/// The allow-list.
#[derive(Serialize)]
pub struct List {
    repositories: Vec<Repository>,
}

/// One entry, without where it comes from: that is nobody's business but the administrator's.
#[derive(Serialize)]
pub struct Repository {
    name: String,
    path: String,
    description: Option<String>,
    model: Option<String>,
    timeout_seconds: Option<i64>,
    default: bool,
}

/// `GET /api/repositories`
///
/// # Errors
/// 503 before Kubernetes was reached for the first time.
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
