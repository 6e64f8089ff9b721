//! Ending a Pod: deadlines, deletion, and what is cleared away after.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt as _};

use super::{FIRST_RETRY, LONGEST_RETRY, Worker, is_init};
use crate::node::plan;
use crate::node::sync::events::Kind;
use crate::node::sync::status::Verdict;

/// SIGTERM to SIGKILL for Pods whose API object is gone already.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);

/// Why the containers have to end.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) at: Timestamp,
    pub(super) grace: Duration,
    pub(super) verdict: Option<Verdict>,
}

impl Worker {
    /// Sees whether the Pod has to end: it is gone, being deleted, or past its time.
    pub(super) fn notice_stop(&mut self) {
        let now = Timestamp::now();
        let metadata = &self.pod.metadata;
        if self.removed {
            self.shorten_stop(Stop {
                at: now,
                grace: ORPHAN_GRACE,
                verdict: None,
            });
        } else if metadata.deletion_timestamp.is_some() {
            let grace = metadata.deletion_grace_period_seconds.map_or_else(
                || plan::grace_seconds(&self.pod),
                |seconds| u64::try_from(seconds).unwrap_or(0),
            );
            self.shorten_stop(Stop {
                at: now,
                grace: Duration::from_secs(grace),
                verdict: None,
            });
        }
        if self.finished.is_none()
            && self.deadline().is_some_and(|deadline| deadline <= now)
            && self.stop.is_none()
        {
            let verdict = Verdict {
                reason: "DeadlineExceeded",
                message: "Pod was active on the node longer than the specified deadline".to_owned(),
            };
            self.shared.events.record(
                &self.pod,
                None,
                Kind::Normal,
                verdict.reason,
                verdict.message.clone(),
            );
            let grace = Duration::from_secs(plan::grace_seconds(&self.pod));
            self.stop = Some(Stop {
                at: now,
                grace,
                verdict: Some(verdict),
            });
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.pod.spec.as_ref()?.active_deadline_seconds?;
        self.start_time
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
    }

    /// A stop may only become shorter, and keeps its first reason.
    pub(super) fn shorten_stop(&mut self, stop: Stop) {
        let end = |stop: &Stop| stop.at + stop.grace;
        match &mut self.stop {
            None => self.stop = Some(stop),
            Some(present) if end(&stop) < end(present) => {
                present.at = stop.at;
                present.grace = stop.grace;
                self.asked_to_stop.clear();
            }
            Some(_) => {}
        }
    }

    pub(super) fn stop_containers(&mut self, stop: &Stop) {
        for (name, stopper) in &self.stoppers {
            if self.asked_to_stop.contains(name) {
                continue;
            }
            let event = format!("Stopping container {name}");
            self.shared.events.record(
                &self.pod,
                Some((name, is_init(&self.pod, name))),
                Kind::Normal,
                "Killing",
                event,
            );
            match stopper.stop(stop.grace) {
                Ok(()) => {
                    self.asked_to_stop.insert(name.clone());
                }
                Err(error) => {
                    tracing::error!(error = %error, pod.name = self.pod.name_any(), container = name, "cannot stop a container");
                }
            }
        }
    }

    /// Tells the API server that nothing of the Pod runs any more.
    pub(super) async fn delete_object(&mut self) {
        let api: Api<Pod> = Api::namespaced(
            self.shared.client.clone(),
            self.pod.namespace().as_deref().unwrap_or("default"),
        );
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: self.pod.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(&self.pod.name_any(), &parameters).await {
            Ok(_) => self.deleted = true,
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
                self.deleted = true;
            }
            Err(error) => {
                tracing::warn!(error = %error, pod.name = self.pod.name_any(), "cannot finish the deletion of a Pod; will try again");
                let pause = self
                    .retry
                    .map_or(FIRST_RETRY, |(_, pause)| (pause * 2).min(LONGEST_RETRY));
                self.retry = Some((Timestamp::now() + pause, pause));
            }
        }
    }

    pub(super) async fn clean_up(&mut self) {
        self.shared.runtime.stop_network(&self.dir);
        self.followers.shutdown().await;
        self.shared.runtime.remove_cgroups(&self.pod);
        let dir = self.dir.clone();
        match tokio::task::spawn_blocking(move || dir.remove()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %error, folder = %self.dir.path().display(), "cannot remove the folder of a Pod");
            }
            Err(error) => {
                tracing::error!(error = %error, "the removal of a Pod's folder ended early");
            }
        }
    }
}
