//! Tells Kubernetes what the outbox holds: new tasks, and requests to end some.
//!
//! A task comes straight from the request that made it, when somebody is free for it ([`Desk`]), and else from the outbox.
//!
//! What may happen, and why it is safe:
//! - The gateway dies after a task is accepted and before Kubernetes has heard of it: the row is due, for any gateway, at once or when the
//!   lease runs out that it was written with.
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
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use super::attempt::{Attempt, log_span};
use super::desk::{Desk, Handed};
use super::outage::Outage;
use super::{CallError, call};
use crate::app::App;
use crate::database::outbox::{self, Entry};
use crate::metrics::Store;

/// How many rows are claimed at once. A claim is a statement and a commit, however many it is for.
const BATCH: u32 = 8;
/// How many rows are settled at once, and how many wait for it at most.
const SETTLED: usize = 64;
/// How often the outbox is looked at when nobody says that there is something: rows that are due again, and rows that a gateway
/// left behind that died.
const POLL: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Works until shutdown, and then ends what it has begun.
pub async fn run(app: Arc<App>, handed: mpsc::Receiver<Handed>) {
    let (created, settling) = mpsc::channel(SETTLED);
    let dispatcher = Dispatcher {
        app: Arc::clone(&app),
        workers: TaskTracker::new(),
        created,
    };
    let work = async move {
        tokio::join!(dispatcher.take_over(handed), dispatcher.look());
        dispatcher.workers.close();
        dispatcher.workers.wait().await;
        // With the dispatcher goes the last of those who have something to settle.
    };
    tokio::join!(work, settle_all(&app, settling));
}

struct Dispatcher {
    app: Arc<App>,
    workers: TaskTracker,
    /// Rows whose resource exists.
    created: mpsc::Sender<Entry>,
}

impl Dispatcher {
    /// Begins with what is handed in as soon as it is.
    async fn take_over(&self, mut handed: mpsc::Receiver<Handed>) {
        loop {
            let handed = tokio::select! {
                // What was accepted before the order to stop is told to Kubernetes.
                biased;
                handed = handed.recv() => handed,
                () = self.app.shutdown.cancelled() => return,
            };
            let Some(Handed { entry, slot }) = handed else {
                return;
            };
            self.begin(entry, slot);
        }
    }

    /// Looks at the outbox now and then, and when somebody says so.
    async fn look(&self) {
        let desk = &self.app.outbox;
        loop {
            let pause = desk.outage.pause(Instant::now());
            if pause.is_none()
                && let Err(error) = self.drain(desk).await
            {
                self.app.metrics.store_error(Store::Postgres);
                tracing::warn!(%error, "the outbox cannot be read; trying again");
            }
            let pause = desk.outage.pause(Instant::now());
            tokio::select! {
                () = self.app.shutdown.cancelled() => return,
                () = desk.noticed(), if pause.is_none() => {}
                () = tokio::time::sleep(pause.unwrap_or(POLL)) => {}
            }
        }
    }

    /// Hands everything that is due to workers. While Kubernetes is away, tries with one row.
    async fn drain(&self, desk: &Desk) -> Result<(), sqlx::Error> {
        while !self.app.shutdown.is_cancelled() {
            if desk.outage.is_on() {
                self.probe().await?;
                if desk.outage.is_on() {
                    break;
                }
            }
            // Never claim more than can be worked on now: the lease of a claimed row runs. Whoever waits here comes before those
            // who hand something in, so that nothing waits for ever.
            let mut slots = desk.slots(BATCH).await;
            if desk.outage.is_on() {
                // What was found out while all workers were busy.
                break;
            }
            let entries = outbox::claim(&self.app.pool, i64::from(BATCH)).await?;
            let found = entries.len();
            for entry in entries {
                if let Some(slot) = slots.split(1) {
                    self.begin(entry, slot);
                }
            }
            if found < BATCH as usize {
                break;
            }
        }
        Ok(())
    }

    fn begin(&self, entry: Entry, slot: OwnedSemaphorePermit) {
        let (app, created) = (Arc::clone(&self.app), self.created.clone());
        let span = log_span(&entry);
        let work = async move {
            let _slot = slot;
            deliver(&app, entry, &created).await;
        };
        self.workers.spawn(work.instrument(span));
    }

    /// The row that has waited longest finds out whether Kubernetes is back. The next time it is another one, so that none is in the way
    /// of the rest.
    async fn probe(&self) -> Result<(), sqlx::Error> {
        for entry in outbox::claim(&self.app.pool, 1).await? {
            let span = log_span(&entry);
            deliver(&self.app, entry, &self.created)
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

async fn deliver(app: &App, entry: Entry, settling: &mpsc::Sender<Entry>) {
    let outage = &app.outbox.outage;
    let begun = Instant::now();
    let attempt = Attempt::begin(app, &entry);
    let tasks: Api<CodexTask> = Api::namespaced(app.client.clone(), &app.settings.namespace);
    // Kubernetes has heard of the task, or it has ended: the only thing left to say is to end.
    let result = if entry.cancel_requested_at.is_some() {
        pass_on_cancel(&tasks, &entry.name).await
    } else {
        create(&tasks, &entry).await
    };
    attempt.end(match &result {
        Ok(Delivered::Rejected(_)) => Some("rejected"),
        Ok(_) => None,
        Err(error) => Some(error.kind()),
    });
    if result.is_ok() && outage.answered() {
        tracing::info!("Kubernetes is back; tasks that waited are created");
        app.outbox.notice();
    }
    let id = entry.id;
    let settled = match result {
        Ok(Delivered::Created) => {
            app.metrics.dispatched.inc();
            tracing::debug!(task.id = %id, "the CodexTask is created");
            // The receiver stays until the last of the workers has ended.
            let _ = settling.send(entry).await;
            Ok(())
        }
        Ok(Delivered::CancelPassedOn { in_cluster }) => {
            outbox::settle_canceled(&app.pool, id, in_cluster).await
        }
        Ok(Delivered::Rejected(message)) => rejected(app, id, &message).await,
        Err(error) => {
            let pause = outage_of(&error, outage, begun);
            postpone(app, &entry, &error, pause).await
        }
    };
    unsettled(id, settled);
}

/// Writes down which resources exist, those of many workers at once: under load the answers of Kubernetes come faster than statements
/// of their own could be made for each.
async fn settle_all(app: &App, mut created: mpsc::Receiver<Entry>) {
    let mut entries = Vec::new();
    while created.recv_many(&mut entries, SETTLED).await > 0 {
        let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id).collect();
        match outbox::settle_created(&app.pool, &ids).await {
            Ok(canceled) => {
                for entry in entries.drain(..) {
                    if canceled.contains(&entry.id) {
                        let told = canceled_meanwhile(app, &entry).await;
                        unsettled(entry.id, told);
                    }
                }
            }
            Err(error) => {
                for id in ids {
                    unsettled(id, Err(&error));
                }
                entries.clear();
            }
        }
    }
}

/// The task was created without the wish to end, which came while it was.
async fn canceled_meanwhile(app: &App, entry: &Entry) -> Result<(), sqlx::Error> {
    let tasks: Api<CodexTask> = Api::namespaced(app.client.clone(), &app.settings.namespace);
    match pass_on_cancel(&tasks, &entry.name).await {
        Ok(_) => Ok(()),
        Err(error) => postpone(app, entry, &error, None).await,
    }
}

fn unsettled(id: Uuid, settled: Result<(), impl std::fmt::Display>) {
    if let Err(error) = settled {
        // The lease runs out, and then the row is due again.
        tracing::warn!(task.id = %id, %error, "the outbox cannot be written");
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
