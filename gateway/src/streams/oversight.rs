//! What the database has to say while a task is watched.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use uuid::Uuid;

use super::fanout::Oversight;
use crate::app::App;
use crate::database::tasks::Scope;
use crate::database::{status, users};
use crate::tasks::states::Watch;

/// Looks into the database. It does not keep the gateway alive.
pub struct DatabaseOversight(Weak<App>);

impl DatabaseOversight {
    /// Looks into the database of `app`.
    #[must_use]
    pub fn of(app: &Arc<App>) -> Arc<dyn Oversight> {
        Arc::new(Self(Arc::downgrade(app)))
    }
}

#[async_trait]
impl Oversight for DatabaseOversight {
    async fn look_after(&self, task: Uuid, is_final: bool, viewers: Vec<Uuid>) -> Vec<Uuid> {
        let Some(app) = self.0.upgrade() else {
            return Vec::new();
        };
        // Another gateway may have ended the task without Kubernetes, for example one that was canceled in the outbox.
        if !is_final {
            match status::find(&app.pool, Scope::All, task).await {
                Ok(Some(status)) => app.states.publish(&status),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(task.id = %task, %error, "the state cannot be read again");
                }
            }
        }
        // A stream lasts longer than an access token; a user who is disabled is out here too.
        let mut shut_out = Vec::new();
        for viewer in viewers {
            match users::find(&app.pool, viewer).await {
                Ok(Some(user)) if !user.disabled => {}
                Ok(_) => shut_out.push(viewer),
                Err(error) => tracing::debug!(%error, "the user of a stream cannot be looked up"),
            }
        }
        shut_out
    }
}

/// Registers for a task's states and reads the present one; nothing when there is no such task in the scope.
///
/// # Errors
/// Those of the database.
pub async fn watch_task(app: &App, scope: Scope, task: Uuid) -> Result<Option<Watch>, sqlx::Error> {
    let watch = app.states.watch(task);
    let Some(present) = status::find(&app.pool, scope, task).await? else {
        return Ok(None);
    };
    app.states.publish(&present);
    Ok(Some(watch))
}
