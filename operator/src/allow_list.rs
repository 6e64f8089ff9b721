//! Tells the admission policy of the chart what tasks may name: a ConfigMap with the repositories and the rules for variables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::allow_list::Entry;
use codex_crds::{CodexRepository, admission, meta};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::Store;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::Notify;

use crate::config::Config;

/// After this time it is written again, in case that somebody has removed or changed it.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Writes it whenever repositories have `changed`, for the first time when they are known; where the configuration names no ConfigMap it does nothing.
pub async fn publish(
    client: Client,
    config: Arc<Config>,
    repositories: Store<CodexRepository>,
    changed: Arc<Notify>,
) {
    let Some(name) = config.allow_list.as_deref() else {
        return std::future::pending().await;
    };
    let api: Api<ConfigMap> = Api::namespaced(client, &config.namespace);
    // An empty list before the first look would refuse everything for a moment. The store itself is not asked whether it is filled: it
    // wakes one of those that wait for that, and somebody else does already.
    changed.notified().await;
    loop {
        let entries: Vec<Entry> = repositories
            .state()
            .iter()
            .map(|repository| Entry::from(&**repository))
            .collect();
        let data = admission::parameters(&entries, &config.env_policy());
        let pause = match write(&api, name, &data).await {
            Ok(()) => AGAIN,
            Err(error) => {
                tracing::warn!(config_map = name, %error, "the allow-list for the admission policy could not be written; trying again");
                RETRY
            }
        };
        // A change that came while it was written is not lost: it is kept for the one who waits.
        let _ = tokio::time::timeout(pause, changed.notified()).await;
    }
}

async fn write(
    api: &Api<ConfigMap>,
    name: &str,
    data: &BTreeMap<String, String>,
) -> Result<(), kube::Error> {
    let patch = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": {meta::MANAGED_BY_LABEL: meta::OPERATOR_NAME},
            "annotations": {"codexrunner.io/description": "Written by codex-operator from the CodexRepositories; the admission policy reads it."},
        },
        "data": data,
    });
    let params = PatchParams::apply(meta::OPERATOR_NAME).force();
    api.patch_metadata(name, &params, &Patch::Apply(patch))
        .await
        .map(drop)
}
