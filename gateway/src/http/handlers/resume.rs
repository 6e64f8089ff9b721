//! What a task needs that continues another one.

use codex_tasklog::Artifact;
use uuid::Uuid;

use crate::app::App;
use crate::database::tasks::{self, NewTask, Scope};
use crate::http::envelope::ApiError;
use crate::http::identity::Identity;
use crate::tasks::validate::TaskRequest;

/// The task that is continued.
pub struct Earlier {
    repository: Option<String>,
}

/// Finds the task that is continued, and fills what the request leaves open with what that task had.
///
/// # Errors
/// 404 when it is no task of the caller's own, administrator or not: a session holds everything that was said and read. 409 when it has not
/// ended or left no session, 503 when a store is away.
pub async fn earlier(
    app: &App,
    identity: &Identity,
    id: Uuid,
    request: &mut TaskRequest,
) -> Result<Earlier, ApiError> {
    let own = Scope::User(identity.user_id);
    let task = tasks::find(&app.pool, own, id).await?;
    let task = task.ok_or(ApiError::NotFound(
        "resume_from is no task of yours; only one's own tasks can be continued",
    ))?;
    if !task.status.phase.is_final() {
        return Err(ApiError::Conflict {
            code: "task_not_finished",
            message: format!(
                "the task of resume_from is still {}; wait for its end, or cancel it",
                task.status.phase
            ),
        });
    }
    let key = Artifact::Session.key(&id.to_string());
    let key = key.map_err(|error| ApiError::Internal(error.into()))?;
    let session = app.archive.objects().size(&key).await;
    let session = session.map_err(|error| ApiError::Unavailable {
        store: "archive",
        source: Some(error.into()),
    })?;
    if session.is_none() {
        return Err(ApiError::Conflict {
            code: "no_session",
            message: "the task of resume_from left no session: Codex did not get to work, or its session could not be kept; start a new task"
                .to_owned(),
        });
    }
    request.cwd = request.cwd.take().or(task.cwd);
    request.model = request.model.take().or(task.model);
    Ok(Earlier {
        repository: task.repository,
    })
}

impl Earlier {
    /// # Errors
    /// 422 when the new task works in another repository: whoever may use one of them may not therefore read of the other.
    pub fn check(&self, task: &NewTask) -> Result<(), ApiError> {
        match &self.repository {
            Some(repository) if *repository == task.repository => Ok(()),
            earlier => Err(ApiError::Unfit {
                code: "other_repository",
                message: format!(
                    "the task of resume_from worked in repository {:?}, this one would in {:?}; a session goes on where it was",
                    earlier.as_deref().unwrap_or("unknown"),
                    task.repository
                ),
            }),
        }
    }
}
