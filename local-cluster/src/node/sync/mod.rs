//! Between the API server and the runtime: watches the node's Pods, and gives each a [`worker`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub mod events;
pub mod objects;
pub mod publisher;
pub mod registration;
pub mod state;
pub mod status;
pub mod worker;

use self::worker::{Shared, Update, Worker};
use super::index::PodIndex;
use super::runtime::dirs::PodDir;

/// Watches the node's Pods.
pub struct Manager {
    shared: Arc<Shared>,
    index: PodIndex,
    workers: BTreeMap<String, watch::Sender<Update>>,
    tasks: JoinSet<String>,
    listed: BTreeSet<String>,
}

/// A worker ended in a way that it must not.
#[derive(Debug, thiserror::Error)]
#[error("a Pod's worker ended early: {0}")]
pub struct WorkerLost(#[from] tokio::task::JoinError);

impl Manager {
    /// A manager that has seen nothing yet.
    pub fn new(shared: Arc<Shared>, index: PodIndex) -> Self {
        Self {
            shared,
            index,
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            listed: BTreeSet::new(),
        }
    }

    /// Runs until told to stop. Containers go on then; the next node takes them over.
    ///
    /// # Errors
    /// Fails when a worker dies, which is a mistake in this program.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), WorkerLost> {
        let api: Api<Pod> = Api::all(self.shared.client.clone());
        let fields = format!("spec.nodeName={}", self.shared.runtime.config().node_name);
        let mut events = watcher(api, watcher::Config::default().fields(&fields))
            .default_backoff()
            .boxed();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = events.try_next() => match event {
                    Ok(Some(event)) => self.take(event),
                    Ok(None) => break,
                    Err(error) => tracing::warn!(error = %error, "the watch of Pods was interrupted; it goes on"),
                },
                Some(ended) = self.tasks.join_next() => {
                    let uid = ended?;
                    self.workers.remove(&uid);
                    self.index.remove(&uid);
                }
            }
        }
        // Without senders, the workers end between two steps.
        self.workers.clear();
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Apply(pod) => self.update(pod, false),
            Event::Delete(pod) => self.update(pod, true),
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.uid());
                self.update(pod, false);
            }
            Event::InitDone => self.remove_unlisted(),
        }
    }

    fn update(&mut self, pod: Pod, removed: bool) {
        let Some(uid) = pod.uid() else { return };
        let update = Update {
            pod: Arc::new(pod),
            removed,
        };
        if let Some(worker) = self.workers.get(&uid) {
            worker.send_replace(update);
        } else if !removed {
            self.add(uid, update);
        }
    }

    fn add(&mut self, uid: String, update: Update) {
        self.index.insert(&update.pod);
        let (sender, receiver) = watch::channel(update);
        match Worker::new(self.shared.clone(), receiver) {
            Ok(worker) => {
                self.workers.insert(uid.clone(), sender);
                self.tasks.spawn(async move {
                    worker.run().await;
                    uid
                });
            }
            Err(error) => tracing::error!(error = %error, "cannot take on a Pod"),
        }
    }

    /// Pods that went away while nobody watched: of this node's life, and of the time before it.
    fn remove_unlisted(&mut self) {
        for (uid, worker) in &self.workers {
            if !self.listed.contains(uid) {
                worker.send_modify(|update| update.removed = true);
            }
        }
        for (_, pod) in PodDir::all(self.shared.runtime.root()) {
            if let Some(uid) = pod.uid()
                && !self.listed.contains(&uid)
                && !self.workers.contains_key(&uid)
            {
                self.add(
                    uid,
                    Update {
                        pod: Arc::new(pod),
                        removed: true,
                    },
                );
            }
        }
    }
}
