//! What is put into the cluster at every start: definitions, the namespace, and the allow-list.

use std::{collections::BTreeSet, path::Path, time::Duration};

use codex_crds::{
    CodexRepository, CodexRepositorySpec, CodexTask, HostPathSource, RepositorySource, meta,
};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::ObjectMeta,
    runtime::wait::{await_condition, conditions},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::UpError,
    plan::NAMESPACE,
    repository::{MOUNT_ROOT, Repository},
};

/// The field manager of these objects, and the value of their managed-by label.
const MANAGER: &str = "codex-remote-up";
/// How long the API server may take to serve a new definition.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(20);
/// How long tasks get to end when they are cancelled at the stop. Longer than their grace period.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(100);

/// The cluster, as its administrator.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Connects with a kubeconfig.
    ///
    /// # Errors
    /// When the file is not usable.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, UpError> {
        let unusable = |error: &dyn std::fmt::Display| {
            UpError::Kubeconfig(format!("{}: {error}", kubeconfig.display()))
        };
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| unusable(&error))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(&error))?;
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self { client })
    }

    /// Puts everything there.
    ///
    /// # Errors
    /// When the API server refuses something.
    pub async fn install(&self, repositories: &[Repository]) -> Result<(), UpError> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for definition in codex_crds::definitions() {
            apply(&definitions, &definition).await?;
            let name = definition.name_any();
            let established =
                await_condition(definitions.clone(), &name, conditions::is_crd_established());
            match tokio::time::timeout(ESTABLISH_TIMEOUT, established).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    return Err(UpError::Kubeconfig(format!("cannot watch {name}: {error}")));
                }
                Err(_) => {
                    return Err(UpError::Kubeconfig(format!(
                        "{name} is not served after {} s",
                        ESTABLISH_TIMEOUT.as_secs()
                    )));
                }
            }
        }
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(NAMESPACE.into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        apply(&Api::all(self.client.clone()), &namespace).await?;
        self.allow(repositories).await
    }

    /// Makes the allow-list this one. Entries that people made themselves stay.
    async fn allow(&self, repositories: &[Repository]) -> Result<(), UpError> {
        let api: Api<CodexRepository> = Api::namespaced(self.client.clone(), NAMESPACE);
        let wanted: BTreeSet<&str> = repositories
            .iter()
            .map(|repository| repository.name.as_str())
            .collect();
        let ours = ListParams::default().labels(&format!("{}={MANAGER}", meta::MANAGED_BY_LABEL));
        let listed = api
            .list(&ours)
            .await
            .map_err(refused("list repositories"))?;
        for old in listed
            .items
            .iter()
            .map(kube::ResourceExt::name_any)
            .filter(|name| !wanted.contains(name.as_str()))
        {
            match api.delete(&old, &Default::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => drop(other.map_err(refused("take a repository off the list"))?),
            }
        }
        for (index, repository) in repositories.iter().enumerate() {
            apply(&api, &object(repository, index == 0)).await?;
        }
        Ok(())
    }

    /// How many tasks run now.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn running_tasks(&self) -> Result<usize, UpError> {
        Ok(self.unfinished().await?.len())
    }

    /// Cancels every task that has not ended, and waits until they all have. Returns how many have not in time.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn cancel_tasks(&self) -> Result<usize, UpError> {
        let api = self.tasks();
        let patch = Patch::Merge(serde_json::json!({"spec": {"cancel": true}}));
        for task in self.unfinished().await? {
            match api
                .patch(&task.name_any(), &PatchParams::default(), &patch)
                .await
            {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => drop(other.map_err(refused("cancel a task"))?),
            }
        }
        let deadline = tokio::time::Instant::now() + CANCEL_TIMEOUT;
        loop {
            let left = self.unfinished().await?.len();
            if left == 0 || tokio::time::Instant::now() >= deadline {
                return Ok(left);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn unfinished(&self) -> Result<Vec<CodexTask>, UpError> {
        let tasks = self
            .tasks()
            .list(&ListParams::default())
            .await
            .map_err(refused("list tasks"))?;
        Ok(tasks
            .items
            .into_iter()
            .filter(|task| !task.phase().is_final())
            .collect())
    }

    fn tasks(&self) -> Api<CodexTask> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}

/// The entry of the allow-list for a folder of this machine.
fn object(repository: &Repository, is_default: bool) -> CodexRepository {
    let mut object = CodexRepository::new(
        &repository.name,
        CodexRepositorySpec {
            path: format!("{MOUNT_ROOT}/{}", repository.name),
            source: RepositorySource {
                host_path: Some(HostPathSource {
                    path: repository.folder.to_string_lossy().into_owned(),
                }),
                persistent_volume_claim: None,
            },
            ..CodexRepositorySpec::default()
        },
    );
    object.metadata.labels = Some([(meta::MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned())].into());
    if is_default {
        object.metadata.annotations = Some(
            [(
                meta::DEFAULT_REPOSITORY_ANNOTATION.to_owned(),
                "true".to_owned(),
            )]
            .into(),
        );
    }
    object
}

async fn apply<K>(api: &Api<K>, object: &K) -> Result<(), UpError>
where
    K: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let name = object.name_any();
    let parameters = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&name, &parameters, &Patch::Apply(object)).await;
    applied.map(drop).map_err(|source| UpError::Kubernetes {
        what: format!("cannot apply {name}"),
        source: Box::new(source),
    })
}

fn refused(what: &str) -> impl FnOnce(kube::Error) -> UpError {
    let what = format!("cannot {what}");
    move |source| UpError::Kubernetes {
        what,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_the_folder_and_the_first_is_the_default() {
        let repository = Repository {
            name: "app".into(),
            folder: "/home/me/app".into(),
        };
        let text = serde_json::to_value(object(&repository, true)).unwrap();
        assert_eq!(text["spec"]["path"], "/srv/repos/app");
        assert_eq!(
            text["spec"]["source"],
            serde_json::json!({"hostPath": {"path": "/home/me/app"}})
        );
        assert_eq!(
            text["metadata"]["annotations"]["codexrunner.io/default"],
            "true"
        );
        assert_eq!(
            text["metadata"]["labels"]["app.kubernetes.io/managed-by"],
            MANAGER
        );
        let other = serde_json::to_value(object(&repository, false)).unwrap();
        assert!(other["metadata"].get("annotations").is_none());
    }
}
