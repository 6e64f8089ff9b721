//! The logs of running tasks, outside of reconciliation.
//!
//! ```text
//! container log -> follower -> spool -> appender -> live log -> archiver -> archive
//! ```
//!
//! Each of the three is a task of its own, so that what is behind never holds up what is before: only a spool that is full does.

mod appender;
mod archiver;
mod follower;
mod lines;
mod picks;
mod repairs;
mod timing;

pub use archiver::{ArchiveReport, Archived};
pub use follower::PodSight;
pub use picks::Picks;
pub use repairs::{MOST_REPAIRS, Repairs};
pub use timing::FollowTiming;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codex_crds::CodexTask;
use codex_tasklog::{Archive, LiveLogWriter};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::checkpoint::Checkpoints;
use crate::domain::outcome::{LogState, Outcome};
use crate::domain::step::ArchiveState;
use crate::metrics::Metrics;
use crate::spool::{Spool, TaskSpool};
use crate::supervisor::Supervisor;

/// Asks for another pass over a task.
pub type Wake = mpsc::Sender<ObjectRef<CodexTask>>;

/// What is known about the log of a task.
#[derive(Clone, Debug, Default)]
pub struct LogReport {
    /// How far it has been read.
    pub state: LogState,
    /// What the events said.
    pub picks: Picks,
}

/// Which log to read.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// The id of the task.
    pub task: String,
    /// The task, to ask for a pass when something changed.
    pub reference: ObjectRef<CodexTask>,
    /// The name of the Pod.
    pub pod_name: String,
    /// The UID of the Pod.
    pub pod_uid: String,
    /// What the runner puts into each frame.
    pub nonce: SecretString,
    /// When the task was submitted.
    pub submitted_at: Timestamp,
}

/// What all readers share.
#[derive(Clone)]
pub struct LogStores {
    /// Pods of the namespace.
    pub pods: Api<Pod>,
    /// Where frames go.
    pub live: Arc<dyn LiveLogWriter>,
    /// Where logs stay.
    pub archive: Arc<dyn Archive>,
    /// What is on its way to them.
    pub spool: Spool,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whose log is repaired.
    pub repairs: Repairs,
    /// Asks for another pass over a task.
    pub wake: Wake,
    /// Times, shorter in tests.
    pub timing: FollowTiming,
    /// Where tests let the operator die.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// All readers and archivers.
#[derive(Clone)]
pub struct Logs {
    stores: LogStores,
    supervisor: Supervisor,
    followers: Arc<Mutex<HashMap<String, Follower>>>,
    archivers: Arc<Mutex<HashMap<String, Archiver>>>,
}

struct Follower {
    report: watch::Receiver<LogReport>,
    sight: watch::Sender<PodSight>,
}

/// What runs for a task.
struct Archiver {
    /// How the task ended, once it has; the archive is completed then.
    outcome: watch::Sender<Option<Outcome>>,
    report: watch::Receiver<ArchiveReport>,
    spool: Arc<TaskSpool>,
    /// Ends the archiver, the appender and the reader of the log.
    stop: CancellationToken,
    running: TaskTracker,
}

impl Archiver {
    /// Runs a part until the task is released.
    fn spawn(
        &self,
        supervisor: &Supervisor,
        name: &'static str,
        part: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        let part = self.running.track_future(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = part => {}
            }
        });
        // Its lines in the log carry the ids of the pass that started it.
        supervisor.spawn(name, part.in_current_span());
    }
}

impl Logs {
    /// An empty set.
    #[must_use]
    pub fn new(stores: LogStores, supervisor: Supervisor) -> Self {
        Self {
            stores,
            supervisor,
            followers: Arc::default(),
            archivers: Arc::default(),
        }
    }

    /// Starts to read the log of a Pod and to archive it, unless somebody does so already.
    pub fn follow(&self, source: LogSource, sight: PodSight) {
        let mut followers = lock(&self.followers);
        if followers.contains_key(&source.pod_uid) {
            return;
        }
        let (report_sender, report) = watch::channel(LogReport {
            state: LogState::Following,
            picks: Picks::default(),
        });
        let (sight_sender, sight) = watch::channel(sight);
        followers.insert(
            source.pod_uid.clone(),
            Follower {
                report,
                sight: sight_sender,
            },
        );
        drop(followers);
        let mut archivers = lock(&self.archivers);
        let archiver = self.archiver(
            &mut archivers,
            &source.task,
            &source.reference,
            Some(&source.pod_uid),
        );
        let spool = Arc::clone(&archiver.spool);
        let follower =
            follower::Follower::new(source, self.stores.clone(), spool, sight, report_sender);
        archiver.spawn(&self.supervisor, "a reader of a log", follower.run());
    }

    /// What is known about the log of a Pod. Tells the reader what is known about the Pod.
    #[must_use]
    pub fn report(&self, pod_uid: &str, sight: PodSight) -> LogReport {
        let followers = lock(&self.followers);
        let Some(follower) = followers.get(pod_uid) else {
            return LogReport::default();
        };
        follower
            .sight
            .send_if_modified(|known| std::mem::replace(known, sight) != sight);
        follower.report.borrow().clone()
    }

    /// Has the archive of an ended task completed.
    pub fn archive(&self, task: &str, reference: &ObjectRef<CodexTask>, outcome: Outcome) {
        let mut archivers = lock(&self.archivers);
        if !archivers.contains_key(task) {
            // The Pod is gone; what an earlier operator read of its log may be in the spool.
            let archiver = self.archiver(&mut archivers, task, reference, None);
            let spool = Arc::clone(&archiver.spool);
            archiver.spawn(&self.supervisor, "a look into the spool", async move {
                let mut rewinds = spool.rewinds();
                spool.open().await;
                // Nobody can read anything again.
                loop {
                    spool.settle(*rewinds.borrow_and_update());
                    if rewinds.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
        if let Some(archiver) = archivers.get(task) {
            archiver.outcome.send_if_modified(|known| {
                let is_news = known.is_none();
                known.get_or_insert(outcome);
                is_news
            });
        }
    }

    /// What runs for a task: started, unless it runs already.
    fn archiver<'a>(
        &self,
        archivers: &'a mut HashMap<String, Archiver>,
        task: &str,
        reference: &ObjectRef<CodexTask>,
        pod_uid: Option<&str>,
    ) -> &'a Archiver {
        archivers.entry(task.to_owned()).or_insert_with(|| {
            let (outcome_sender, outcome) = watch::channel(None);
            let (report_sender, report) = watch::channel(ArchiveReport::Starting);
            let spool = self.stores.spool.task(task, pod_uid);
            let archiver = Archiver {
                outcome: outcome_sender,
                report,
                spool: Arc::clone(&spool),
                stop: CancellationToken::new(),
                running: TaskTracker::new(),
            };
            let stores = self.stores.clone();
            let appender = appender::Appender::new(task.to_owned(), stores, Arc::clone(&spool));
            archiver.spawn(&self.supervisor, "an appender", appender.run());
            let work = archiver::Archiver::new(archiver::Job {
                task: task.to_owned(),
                reference: reference.clone(),
                outcome,
                stores: self.stores.clone(),
                spool,
                report: report_sender,
            });
            archiver.spawn(&self.supervisor, "an archiver", work.run());
            archiver
        })
    }

    /// How the archive of a running task does.
    #[must_use]
    pub fn archive_health(&self, task: &str) -> Option<ArchiveReport> {
        let archivers = lock(&self.archivers);
        Some(archivers.get(task)?.report.borrow().clone())
    }

    /// How far the archive of an ended task is.
    #[must_use]
    pub fn archive_report(&self, task: &str) -> Option<ArchiveReport> {
        let archivers = lock(&self.archivers);
        let archiver = archivers.get(task)?;
        archiver.outcome.borrow().as_ref()?;
        Some(archiver.report.borrow().clone())
    }

    /// Stops everything about a finished task, and removes its live log after `linger`.
    pub fn release(&self, task: &str, pod_uid: Option<&str>, linger: Duration) {
        let follower = pod_uid.and_then(|uid| lock(&self.followers).remove(uid));
        let archiver = lock(&self.archivers).remove(task);
        if follower.is_none() && archiver.is_none() {
            return;
        }
        let (live, spool) = (Arc::clone(&self.stores.live), self.stores.spool.clone());
        let task = task.to_owned();
        self.supervisor.spawn("the removal of a live log", async move {
            if let Some(archiver) = archiver {
                // Nobody may tell the live log anything after its removal: that would make it anew.
                archiver.stop.cancel();
                archiver.running.close();
                archiver.running.wait().await;
            }
            spool.remove(&task).await;
            tokio::time::sleep(linger).await;
            if let Err(error) = live.remove(&task).await {
                tracing::warn!(task.id = %task, %error, "the live log of a finished task could not be removed");
            }
        });
    }

    /// What the spool has in files, in bytes.
    #[must_use]
    pub fn spool_bytes(&self) -> u64 {
        self.stores.spool.bytes()
    }

    /// How many readers and archivers there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (lock(&self.followers).len(), lock(&self.archivers).len())
    }
}

impl From<&ArchiveReport> for ArchiveState {
    fn from(report: &ArchiveReport) -> Self {
        match report {
            ArchiveReport::Starting | ArchiveReport::Working => Self::Working,
            ArchiveReport::Failing(_) => Self::Failing,
            ArchiveReport::Done(_) => Self::Done,
        }
    }
}

/// A panic elsewhere leaves these maps whole, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
