//! The limit: what a Pod costs at least, written by the same client to the same server at the same time.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::{AT_ONCE, kubelet};

/// Where nobody reacts to them.
pub(crate) const NAMESPACE: &str = "bare";

/// Creates, writes two statuses and deletes so many Pods, as many at once as the fake kubelet serves.
///
/// # Errors
/// When the API server refuses.
pub(crate) async fn measure(client: &Client, spec: &PodSpec, count: usize) -> Result<Duration> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let begin = Instant::now();
    futures::stream::iter((0..count).map(|number| one(&pods, spec, number)))
        .buffer_unordered(AT_ONCE.into())
        .try_collect::<()>()
        .await?;
    Ok(begin.elapsed())
}

async fn one(pods: &Api<Pod>, spec: &PodSpec, number: usize) -> Result<()> {
    let name = format!("bare-{number}");
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(spec.clone()),
        status: None,
    };
    let made = pods.create(&PostParams::default(), &pod).await?;
    for status in [kubelet::running(), kubelet::over(&made)] {
        let patch = Patch::Merge(json!({"status": status}));
        pods.patch_status(&name, &PatchParams::default(), &patch)
            .await?;
    }
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&name, &now).await?;
    Ok(())
}
