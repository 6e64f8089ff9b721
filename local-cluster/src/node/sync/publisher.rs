//! Publishing a Pod's status beside running it: the newest status wins, and an API server that is away holds nothing up.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// First pause after a failed update; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause after a failed update.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Publishes the status of one Pod.
#[derive(Debug)]
pub struct Publisher {
    wanted: watch::Sender<Option<PodStatus>>,
    published: watch::Receiver<Option<PodStatus>>,
    _task: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Starts publishing for a Pod.
    pub fn new(api: Api<Pod>, pod: &Pod) -> Self {
        let (wanted, receiver) = watch::channel(None);
        let (sender, published) = watch::channel(None);
        let task = Task {
            api,
            name: pod.name_any(),
            uid: pod.uid(),
            wanted: receiver,
            published: sender,
        };
        Self {
            wanted,
            published,
            _task: AbortOnDropHandle::new(tokio::spawn(task.run())),
        }
    }

    /// Publishes a status, if it is a new one.
    pub fn publish(&self, status: PodStatus) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.as_ref() != Some(&status);
            *wanted = Some(status);
            changed
        });
    }

    /// Waits until the API server has what was passed last, or doesn't know the Pod any more.
    pub async fn flush(&mut self) {
        let wanted = self.wanted.borrow().clone();
        // An error is the end of the task: the Pod is gone.
        let _ = self
            .published
            .wait_for(|published| *published == wanted)
            .await;
    }
}

struct Task {
    api: Api<Pod>,
    name: String,
    uid: Option<String>,
    wanted: watch::Receiver<Option<PodStatus>>,
    published: watch::Sender<Option<PodStatus>>,
}

impl Task {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while self.wanted.changed().await.is_ok() {
            loop {
                let Some(status) = self.wanted.borrow_and_update().clone() else {
                    break;
                };
                match self.patch(&status).await {
                    Ok(()) => {
                        pause = FIRST_PAUSE;
                        self.published.send_replace(Some(status));
                        break;
                    }
                    // Gone, or another Pod has its name.
                    Err(kube::Error::Api(status))
                        if status.is_not_found() || status.is_conflict() =>
                    {
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(pod.name = self.name, error = %error, "cannot publish the status of a Pod; will try again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
        }
    }

    async fn patch(&self, status: &PodStatus) -> kube::Result<()> {
        // The uid makes this a conflict for another Pod of the same name. Arrays are replaced as a whole, so what isn't
        // in the status any more goes away; fields that are absent have to be named.
        let mut patch = json!({"metadata": {"uid": self.uid}, "status": status});
        for field in ["reason", "message", "podIP", "podIPs"] {
            if patch["status"].get(field).is_none() {
                patch["status"][field] = serde_json::Value::Null;
            }
        }
        self.api
            .patch_status(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(drop)
    }
}
