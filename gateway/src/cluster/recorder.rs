//! Writes into the database what becomes of tasks in Kubernetes.
//!
//! Every gateway records; the revision of a row makes sure that they do not undo each other's work. After a restart the list that
//! every watch begins with brings everything up to date. A resource that carries the gateway's finalizer cannot disappear before its
//! end is recorded; one that does (the finalizer was removed by force) ends in `error`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexTask, Phase, meta, reasons};
use codex_telemetry::TraceContext;
use futures::StreamExt as _;
use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

use super::finalizers::{self, Change};
use super::{WatchBackoff, call, manifest};
use crate::app::App;
use crate::database::observed::{self, Observation, Recorded};
use crate::database::outbox;
use crate::metrics::Store;

const RETRY: Duration = Duration::from_millis(250);

/// Records until shutdown.
pub async fn run(app: Arc<App>, changes: mpsc::Sender<Change>) {
    let tasks: Api<CodexTask> = Api::namespaced(app.client.clone(), &app.settings.namespace);
    let events = watcher::watcher(tasks.clone(), watcher::Config::default())
        .backoff(WatchBackoff::default());
    let mut events = std::pin::pin!(events);
    let mut recorder = Recorder {
        app: Arc::clone(&app),
        tasks,
        changes,
        listed: HashSet::new(),
    };
    loop {
        let event = tokio::select! {
            () = app.shutdown.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                tokio::select! {
                    () = app.shutdown.cancelled() => return,
                    () = recorder.handle(event) => {}
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the tasks cannot be watched; trying again");
            }
            None => return,
        }
    }
}

struct Recorder {
    app: Arc<App>,
    tasks: Api<CodexTask>,
    changes: mpsc::Sender<Change>,
    /// The tasks of the list that is being read.
    listed: HashSet<Uuid>,
}

impl Recorder {
    /// Keeps trying: an event that is lost would only come again with the next list.
    async fn handle(&mut self, event: Event<CodexTask>) {
        loop {
            match self.try_handle(&event).await {
                Ok(()) => return,
                Err(error) => {
                    self.app.metrics.store_error(Store::Postgres);
                    tracing::warn!(%error, "a state cannot be recorded; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn try_handle(&mut self, event: &Event<CodexTask>) -> Result<(), sqlx::Error> {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(task) => {
                self.listed.extend(task_id(task));
                self.seen(task).instrument(span_of(task)).await?;
            }
            Event::InitDone => {
                self.find_vanished().await?;
                self.listed = HashSet::new();
            }
            Event::Apply(task) => self.seen(task).instrument(span_of(task)).await?,
            Event::Delete(task) => self.deleted(task).instrument(span_of(task)).await?,
        }
        Ok(())
    }

    async fn seen(&self, task: &CodexTask) -> Result<(), sqlx::Error> {
        let Some(id) = task_id(task) else {
            tracing::warn!(task.name = ?task.metadata.name, "a CodexTask has no id; it is not recorded");
            return Ok(());
        };
        let record = match observed::find(&self.app.pool, id).await? {
            Some(record) => record,
            None => {
                observed::adopt(&self.app.pool, &manifest::adopted(id, task)).await?;
                let Some(record) = observed::find(&self.app.pool, id).await? else {
                    return Err(sqlx::Error::RowNotFound);
                };
                record
            }
        };
        let untold = record.cancel_requested && !task.spec.cancel && !task.phase().is_final();
        if untold && outbox::repeat_cancel(&self.app.pool, id).await? {
            self.app.outbox.notice();
        }
        let seen = if is_abandoned(task) {
            vanished(&record)
        } else {
            manifest::observation(task)
        };
        let is_final = self.record(id, record, &seen).await?;
        let change = if task.metadata.deletion_timestamp.is_some() {
            finalizers::remove(task).filter(|_| is_final)
        } else {
            finalizers::add(task)
        };
        if let Some(change) = change {
            // The receiver only goes away at shutdown.
            let _ = self.changes.send(change).await;
        }
        Ok(())
    }

    async fn deleted(&self, task: &CodexTask) -> Result<(), sqlx::Error> {
        let Some(id) = task_id(task) else {
            return Ok(());
        };
        let Some(record) = observed::find(&self.app.pool, id).await? else {
            return Ok(());
        };
        let last = manifest::observation(task);
        let seen = if last.phase.is_final() {
            last
        } else {
            vanished(&record)
        };
        self.record(id, record, &seen).await?;
        Ok(())
    }

    /// After a list: tasks that should be in it and are not. The list may be older than the newest of them, so each is asked for.
    async fn find_vanished(&self) -> Result<(), sqlx::Error> {
        for (id, name) in observed::open_tasks(&self.app.pool).await? {
            if self.listed.contains(&id) {
                continue;
            }
            match call(self.tasks.get_opt(&name)).await {
                Ok(Some(task)) if task_id(&task) == Some(id) => {}
                Ok(_) => {
                    if let Some(record) = observed::find(&self.app.pool, id).await? {
                        let seen = vanished(&record);
                        self.record(id, record, &seen).await?;
                    }
                }
                Err(error) => {
                    // The next list asks again.
                    tracing::warn!(task.id = %id, %error, "cannot find out whether a task still exists");
                }
            }
        }
        Ok(())
    }

    /// Writes what is new; answers whether the end of the task is on record.
    async fn record(
        &self,
        id: Uuid,
        mut record: Recorded,
        seen: &Observation,
    ) -> Result<bool, sqlx::Error> {
        loop {
            let Some(next) = record.after(seen) else {
                return Ok(record.phase.is_final());
            };
            if let Some(status) = observed::write(&self.app.pool, id, &next).await? {
                self.app.metrics.recorded.inc();
                if record.phase != next.phase {
                    tracing::info!(task.id = %id, task.state = %next.phase, task.reason = next.reason(), "the task changed its state");
                }
                self.app.states.publish(&status);
                return Ok(status.phase.is_final());
            }
            // Somebody else wrote in between.
            match observed::find(&self.app.pool, id).await? {
                Some(newer) => record = newer,
                None => return Ok(true),
            }
        }
    }
}

/// The ids that the operator logs about the same task.
fn span_of(task: &CodexTask) -> tracing::Span {
    let annotations = task.metadata.annotations.as_ref();
    let traceparent = annotations.and_then(|all| all.get(meta::TRACEPARENT_ANNOTATION));
    let uid = task.metadata.uid.as_deref().unwrap_or_default();
    tracing::info_span!(
        "record",
        task.id = task.task_id(),
        trace_id = TraceContext::id_of_task(traceparent.map(String::as_str), uid),
    )
}

fn task_id(task: &CodexTask) -> Option<Uuid> {
    task.task_id()?.parse().ok()
}

/// Whether a task is being deleted that the operator never took on: nobody but the gateway can say how it ended.
fn is_abandoned(task: &CodexTask) -> bool {
    let others = task.metadata.finalizers.as_ref().is_some_and(|finalizers| {
        finalizers
            .iter()
            .any(|name| name != meta::GATEWAY_FINALIZER)
    });
    task.metadata.deletion_timestamp.is_some() && !others && !task.phase().is_final()
}

/// The end of a task whose resource is gone.
fn vanished(record: &Recorded) -> Observation {
    let (phase, reason, message) = if record.cancel_requested {
        (
            Phase::Canceled,
            reasons::CANCELED,
            "The task was canceled and then deleted from Kubernetes.",
        )
    } else {
        (
            Phase::Error,
            reasons::TASK_DELETED,
            "The CodexTask was deleted from Kubernetes before it had ended. Submit the task again if it is still wanted.",
        )
    };
    Observation {
        phase,
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..Observation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_crds::{CodexTaskSpec, CodexTaskStatus};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    #[test]
    fn only_tasks_that_nobody_works_on_are_abandoned() {
        let mut task = CodexTask::new("x", CodexTaskSpec::default());
        task.metadata.finalizers = Some(vec![meta::GATEWAY_FINALIZER.into()]);
        assert!(!is_abandoned(&task));
        task.metadata.deletion_timestamp = Some(Time("2026-01-01T00:00:00Z".parse().unwrap()));
        assert!(is_abandoned(&task));
        task.status = Some(CodexTaskStatus {
            phase: Some(Phase::Completed),
            ..CodexTaskStatus::default()
        });
        assert!(!is_abandoned(&task));
        task.status = None;
        task.metadata.finalizers = Some(vec![
            meta::OPERATOR_FINALIZER.into(),
            meta::GATEWAY_FINALIZER.into(),
        ]);
        assert!(!is_abandoned(&task));
    }
}
