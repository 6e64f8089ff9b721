//! Tells Kubernetes what the outbox holds: new tasks, and requests to end some.
//!
//! What may happen, and why it is safe:
//! - The gateway dies after a task is accepted and before Kubernetes has heard of it: the row is due at once, for any gateway.
//! - It dies, or loses the answer, after the resource was made: the lease runs out, the resource is there already, which is as good
//!   as having made it. The name is the id, so there is never a second one.
//! - The task is canceled while it is being made: whoever settles the row is told so, and passes it on. If it dies before it
//!   could, the recorder sees a resource that was not told, and makes the row due again.
//! - Kubernetes refuses the resource for good: the task ends in `error` with its words. Everything else is tried again for ever.
//! - Kubernetes is away: rows stay due while one attempt at a time finds out whether it is back ([`Outage`]).

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexTask, reasons};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use super::attempt::{Attempt, log_span};
use super::outage::Outage;
use super::{CallError, call};
use crate::app::App;
use crate::database::outbox::{self, Entry};
use crate::metrics::Store;

/// How many rows are worked on at once.
const PARALLEL: usize = 16;
/// How often the outbox is looked at when nobody says that there is something: rows that are due again, and rows that a gateway
/// left behind that died.
const POLL: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Works until shutdown, and then ends what it has begun.
pub async fn run(app: Arc<App>) {
    let dispatcher = Dispatcher {
        app: Arc::clone(&app),
        slots: Arc::new(Semaphore::new(PARALLEL)),
        workers: TaskTracker::new(),
        outage: Arc::default(),
    };
    loop {
        let pause = dispatcher.outage.pause(Instant::now());
        if pause.is_none()
            && let Err(error) = dispatcher.drain().await
        {
            app.metrics.store_error(Store::Postgres);
            tracing::warn!(%error, "the outbox cannot be read; trying again");
        }
        let pause = dispatcher.outage.pause(Instant::now());
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            () = app.outbox.notified(), if pause.is_none() => {}
            () = tokio::time::sleep(pause.unwrap_or(POLL)) => {}
        }
    }
    dispatcher.workers.close();
    dispatcher.workers.wait().await;
}

struct Dispatcher {
    app: Arc<App>,
    slots: Arc<Semaphore>,
    workers: TaskTracker,
    outage: Arc<Outage>,
}

impl Dispatcher {
    /// Hands everything that is due to workers. While Kubernetes is away, tries with one row.
    async fn drain(&self) -> Result<(), sqlx::Error> {
        while !self.app.shutdown.is_cancelled() {
            if self.outage.is_on() {
                self.probe().await?;
                if self.outage.is_on() {
                    break;
                }
            }
            // Never claim more than can be worked on now: the lease of a claimed row runs.
            let Ok(first) = Arc::clone(&self.slots).acquire_owned().await else {
                return Ok(());
            };
            if self.outage.is_on() {
                // What was found out while all workers were busy.
                break;
            }
            let mut permits = vec![first];
            while let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
                permits.push(permit);
            }
            let wanted = permits.len();
            let entries = outbox::claim(&self.app.pool, i64::try_from(wanted).unwrap_or(1)).await?;
            let found = entries.len();
            for entry in entries {
                let permit = permits.pop();
                let (app, outage) = (Arc::clone(&self.app), Arc::clone(&self.outage));
                self.workers.spawn(async move {
                    let _permit = permit;
                    let span = log_span(&entry);
                    deliver(&app, &outage, &entry).instrument(span).await;
                });
            }
            if found < wanted {
                break;
            }
        }
        Ok(())
    }

    /// The row that has waited longest finds out whether Kubernetes is back. The next time it is another one, so that none is in the way
    /// of the rest.
    async fn probe(&self) -> Result<(), sqlx::Error> {
        for entry in outbox::claim(&self.app.pool, 1).await? {
            let span = log_span(&entry);
            deliver(&self.app, &self.outage, &entry)
                .instrument(span)
                .await;
        }
        Ok(())
    }
}

/// What became of one row.
enum Delivered {
    Created,
    CancelPassedOn { in_cluster: bool },
    Rejected(String),
}

async fn deliver(app: &App, outage: &Outage, entry: &Entry) {
    let begun = Instant::now();
    let attempt = Attempt::begin(app, entry);
    let tasks: Api<CodexTask> = Api::namespaced(app.client.clone(), &app.settings.namespace);
    // Kubernetes has heard of the task, or it has ended: the only thing left to say is to end.
    let result = if entry.cancel_requested_at.is_some() {
        pass_on_cancel(&tasks, &entry.name).await
    } else {
        create(&tasks, entry).await
    };
    attempt.end(match &result {
        Ok(Delivered::Rejected(_)) => Some("rejected"),
        Ok(_) => None,
        Err(error) => Some(error.kind()),
    });
    let settled = match result {
        Ok(delivered) => {
            if outage.answered() {
                tracing::info!("Kubernetes is back; tasks that waited are created");
                app.outbox.notify_one();
            }
            settle(app, &tasks, entry, delivered).await
        }
        Err(error) => {
            let pause = outage_of(&error, outage, begun);
            postpone(app, entry, &error, pause).await
        }
    };
    if let Err(error) = settled {
        // The lease runs out, and then the row is due again.
        tracing::warn!(task.id = %entry.id, %error, "the outbox cannot be written");
    }
}

/// Whether the row may be tried sooner or later than others that failed as often.
fn outage_of(error: &CallError, outage: &Outage, begun: Instant) -> Option<Duration> {
    if error.is_away() {
        return Some(outage.failed(begun, Instant::now()));
    }
    // An answer, if not the one that was hoped for.
    outage.answered();
    None
}

async fn settle(
    app: &App,
    tasks: &Api<CodexTask>,
    entry: &Entry,
    delivered: Delivered,
) -> Result<(), sqlx::Error> {
    match delivered {
        Delivered::Created => created(app, tasks, entry).await,
        Delivered::CancelPassedOn { in_cluster } => {
            outbox::settle_canceled(&app.pool, entry.id, in_cluster).await
        }
        Delivered::Rejected(message) => rejected(app, entry.id, &message).await,
    }
}

async fn create(tasks: &Api<CodexTask>, entry: &Entry) -> Result<Delivered, CallError> {
    let resource = super::manifest::task_resource(entry);
    match call(tasks.create(&PostParams::default(), &resource)).await {
        Ok(_) => Ok(Delivered::Created),
        Err(error) => match error.status() {
            Some(status) if status.is_already_exists() => Ok(Delivered::Created),
            Some(status) if matches!(status.code, 400 | 413 | 422) => {
                Ok(Delivered::Rejected(status.message.clone()))
            }
            _ => Err(error),
        },
    }
}

async fn pass_on_cancel(tasks: &Api<CodexTask>, name: &str) -> Result<Delivered, CallError> {
    let patch = serde_json::json!({ "spec": { "cancel": true } });
    match call(tasks.patch(name, &PatchParams::default(), &Patch::Merge(patch))).await {
        Ok(_) => Ok(Delivered::CancelPassedOn { in_cluster: true }),
        // Either it never came to be, or the recorder hears that it is gone.
        Err(error) if error.is_not_found() => Ok(Delivered::CancelPassedOn { in_cluster: false }),
        Err(error) => Err(error),
    }
}

async fn created(app: &App, tasks: &Api<CodexTask>, entry: &Entry) -> Result<(), sqlx::Error> {
    app.metrics.dispatched.inc();
    tracing::debug!(task.id = %entry.id, "the CodexTask is created");
    let canceled_meanwhile = outbox::settle_created(&app.pool, entry.id).await?;
    if !canceled_meanwhile {
        return Ok(());
    }
    match pass_on_cancel(tasks, &entry.name).await {
        Ok(_) => Ok(()),
        Err(error) => postpone(app, entry, &error, None).await,
    }
}

async fn rejected(app: &App, id: Uuid, message: &str) -> Result<(), sqlx::Error> {
    tracing::warn!(task.id = %id, "Kubernetes refuses the CodexTask");
    let message =
        format!("Kubernetes refuses the task: {message}. Change the task and submit it again.");
    let status = outbox::reject(&app.pool, id, reasons::TASK_REJECTED, &message).await?;
    if let Some(status) = status {
        app.states.publish(&status);
    }
    Ok(())
}

/// Puts the row back: until the `pause` of everybody is over when Kubernetes is away, else for longer with each attempt.
async fn postpone(
    app: &App,
    entry: &Entry,
    error: &CallError,
    pause: Option<Duration>,
) -> Result<(), sqlx::Error> {
    app.metrics.dispatch_retries.inc();
    app.metrics.store_error(Store::Kubernetes);
    let delay = match pause {
        // An API server that answers with an error may do so because of this task alone.
        Some(pause) if error.status().is_some() => pause.max(retry_delay(entry.outbox_attempts)),
        Some(pause) => pause,
        None => retry_delay(entry.outbox_attempts),
    };
    tracing::warn!(
        task.id = %entry.id, attempt = entry.outbox_attempts, delay.ms = delay.as_millis(), %error,
        "Kubernetes cannot be told about a task; trying again"
    );
    outbox::postpone(&app.pool, entry.id, delay).await
}

/// Doubles with every attempt.
fn retry_delay(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LAST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(retry_delay(1), FIRST_RETRY);
        assert_eq!(retry_delay(3), FIRST_RETRY * 4);
        assert_eq!(retry_delay(i32::MAX), LAST_RETRY);
    }

    #[test]
    fn a_call_ends_before_the_lease_does() {
        // Creating and then passing on a cancel is the longest work on a row.
        assert!(super::super::CALL_TIMEOUT * 2 < outbox::LEASE);
    }
}
