//! The objects of a task: pure functions of the task, its repository and the configuration.

mod pod;
mod quantity;
mod secret;

pub use pod::{UserNamespace, pod};
pub use secret::secret;

#[cfg(test)]
pub(crate) use pod::tests::config as test_config;

use codex_crds::allow_list::{self, CwdError, Entry};
use codex_crds::env_policy::EnvError;
use codex_crds::{CodexRepository, CodexTask, CodexTaskSpec, meta, reasons};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use sha2::{Digest as _, Sha256};

use crate::config::Config;

/// The name of the container with the runner.
pub const CONTAINER: &str = "codex";

/// Keys in the Secret of a task.
pub(crate) const PROMPT_KEY: &str = "prompt";
pub(crate) const TOKEN_KEY: &str = "token";
pub(crate) const NONCE_KEY: &str = "nonce";

/// A task that passed all checks, with what they found.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// The task.
    pub task: &'a CodexTask,
    /// Its id.
    pub id: String,
    /// Its repository.
    pub repository: &'a CodexRepository,
    /// Its folder, normalised.
    pub cwd: String,
}

/// Why a task cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The folder.
    #[error(transparent)]
    Cwd(#[from] CwdError),
    /// A variable.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The repository is a folder of the node.
    #[error(
        "repository {0:?} is a folder of the node, which is not permitted here; use a PersistentVolumeClaim, or let an administrator set CODEX_ALLOW_HOST_PATH"
    )]
    HostPath(String),
    /// The object lacks what the API server always sets.
    #[error("the task has no name or UID")]
    Nameless,
}

impl Refusal {
    /// The word for the status.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Cwd(_) => reasons::INVALID_CWD,
            Self::Env(_) => reasons::INVALID_ENV,
            Self::HostPath(_) => reasons::HOST_PATH_FORBIDDEN,
            Self::Nameless => reasons::POD_REJECTED,
        }
    }
}

/// Checks a task against the allow-list and the rules.
///
/// # Errors
/// [`Refusal`] says why it cannot run, in words for the user.
pub fn check<'a>(
    task: &'a CodexTask,
    repositories: &'a [std::sync::Arc<CodexRepository>],
    config: &Config,
) -> Result<Checked<'a>, Refusal> {
    let entries: Vec<Entry> = repositories
        .iter()
        .map(|repository| Entry::from(&**repository))
        .collect();
    let resolved = allow_list::resolve(task.spec.cwd.as_deref(), &entries)?;
    let repository = repositories
        .iter()
        .find(|repository| repository.metadata.name.as_deref() == Some(&resolved.repository))
        .ok_or(CwdError::NoRepositories)?;
    config.env_policy().check(&task.spec.env)?;
    if repository.spec.source.host_path.is_some() && !config.allow_host_path {
        return Err(Refusal::HostPath(resolved.repository));
    }
    Ok(Checked {
        task,
        id: task.task_id().ok_or(Refusal::Nameless)?,
        repository,
        cwd: resolved.cwd,
    })
}

/// The prompt with the text of the repository before it.
fn prompt(checked: &Checked<'_>) -> String {
    let prompt = &checked.task.spec.prompt;
    match checked.repository.spec.pre_prompt.as_deref() {
        Some(before) if !before.trim().is_empty() => format!("{}\n\n{prompt}", before.trim_end()),
        _ => prompt.clone(),
    }
}

/// The queue of Kueue that a task waits in, where there is one.
#[must_use]
pub fn queue_name<'a>(spec: &'a CodexTaskSpec, config: &'a Config) -> Option<&'a str> {
    spec.queue_name.as_deref().or(config.kueue_queue.as_deref())
}

fn metadata(checked: &Checked<'_>) -> ObjectMeta {
    let mut labels = std::collections::BTreeMap::from([
        (meta::MANAGED_BY_LABEL.into(), meta::OPERATOR_NAME.into()),
        (meta::TASK_LABEL.into(), checked.id.clone()),
    ]);
    if let Some(user) = &checked.task.spec.user {
        let mut hash = hex::encode(Sha256::digest(user.as_bytes()));
        hash.truncate(16);
        labels.insert(meta::USER_HASH_LABEL.into(), hash);
    }
    ObjectMeta {
        name: Some(meta::pod_name(&checked.id)),
        namespace: checked.task.metadata.namespace.clone(),
        labels: Some(labels),
        owner_references: owner(checked.task).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn owner(task: &CodexTask) -> Option<OwnerReference> {
    Some(OwnerReference {
        block_owner_deletion: Some(true),
        ..task.controller_owner_ref(&())?
    })
}
