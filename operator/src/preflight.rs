//! Waits until the Kubernetes API answers and knows the custom resources, and says plainly what is missing.

use std::time::Duration;

use codex_crds::{CodexRepository, CodexTask};
use kube::api::ListParams;
use kube::{Api, Client};

use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(10);

/// Waits until the API serves tasks and repositories.
pub async fn wait(client: &Client, namespace: &str) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = check(client, namespace).await {
        tracing::warn!(%error, namespace, "not ready yet; trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn check(client: &Client, namespace: &str) -> Result<(), Error> {
    let one = ListParams::default().limit(1);
    let tasks: Api<CodexTask> = Api::namespaced(client.clone(), namespace);
    let repositories: Api<CodexRepository> = Api::namespaced(client.clone(), namespace);
    tokio::time::timeout(ANSWER, tasks.list_metadata(&one))
        .await
        .map_err(|_| Error::Stalled)?
        .map_err(|error| missing(error, "CodexTask"))?;
    tokio::time::timeout(ANSWER, repositories.list_metadata(&one))
        .await
        .map_err(|_| Error::Stalled)?
        .map_err(|error| missing(error, "CodexRepository"))?;
    Ok(())
}

fn missing(error: kube::Error, kind: &'static str) -> Error {
    match error {
        kube::Error::Api(status) if status.is_not_found() => Error::MissingResource(kind),
        error => error.into(),
    }
}
