//! A cluster, a node that tests play, and an operator that can be killed.

pub mod front;
pub mod node;
pub mod operator;
pub mod program;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexRepository, CodexTask, CodexTaskStatus, Phase};
use codex_local_cluster::testing::Cluster;
use codex_tasklog::{Archive as _, Body, DirArchive, End, Frame};
use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use self::front::Front;
use self::node::FakeNode;
use self::operator::{Operator, Setup};

pub const NAMESPACE: &str = "codex-tasks";
/// Long enough for a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that a test needs.
pub struct World {
    /// Stops when it is dropped.
    cluster: Option<Cluster>,
    pub node: FakeNode,
    pub setup: Setup,
    pub client: Client,
    pub tasks: Api<CodexTask>,
}

impl World {
    pub async fn new() -> Self {
        let world = Self::bare().await;
        install_definitions(&world.client).await;
        world
            .repository("demo", json!({"hostPath": {"path": "/srv/demo"}}))
            .await;
        world
    }

    /// Without the custom resources.
    pub async fn bare() -> Self {
        let node = FakeNode::default();
        let cluster = Cluster::start_with(Some(node.kubelet()), |_| {}).await;
        let client = cluster.client().await;
        node.join(client.clone()).await;
        let setup = Setup::new(cluster.kubeconfig_path_for("operator"));
        Self {
            tasks: Api::namespaced(client.clone(), NAMESPACE),
            cluster: Some(cluster),
            node,
            setup,
            client,
        }
    }

    /// Lets the operator's requests pass through a hand that changes some of them.
    pub async fn front(&mut self) -> Front {
        let cluster = self.cluster.as_ref().unwrap();
        let front = Front::start(cluster.client_for("operator").await).await;
        self.setup.kubeconfig = self.setup.path("front.kubeconfig");
        std::fs::write(&self.setup.kubeconfig, front.kubeconfig()).unwrap();
        front
    }

    /// The API server ends and comes back. Nobody serves logs any more then.
    pub async fn restart_api(&mut self) {
        let cluster = self.cluster.take().unwrap();
        self.cluster = Some(cluster.restart().await);
    }

    pub async fn repository(&self, name: &str, source: Value) {
        self.repository_with(
            name,
            json!({"path": format!("/srv/repos/{name}"), "source": source}),
        )
        .await;
    }

    pub async fn repository_with(&self, name: &str, spec: Value) {
        let api: Api<CodexRepository> = Api::namespaced(self.client.clone(), NAMESPACE);
        let repository = serde_json::from_value(json!({
            "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexRepository",
            "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap();
        api.create(&PostParams::default(), &repository)
            .await
            .unwrap();
    }

    pub fn start(&self) -> Operator {
        Operator::start(&self.setup)
    }

    pub async fn create(&self, name: &str, spec: Value) -> CodexTask {
        let task: CodexTask = serde_json::from_value(json!({
            "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask",
            "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap();
        self.tasks
            .create(&PostParams::default(), &task)
            .await
            .unwrap()
    }

    /// A task with a name as the gateway gives it.
    pub async fn submit(&self, spec: Value) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        self.create(&id, spec).await;
        id
    }

    pub async fn cancel(&self, name: &str) {
        let patch = json!({"spec": {"cancel": true}});
        self.tasks
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn delete(&self, name: &str) {
        self.tasks
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// Waits until the task is as `wanted`.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&CodexTask) -> bool,
    ) -> CodexTask {
        let mut last = None;
        let found = eventually(async || {
            let task = self.tasks.get_opt(name).await.unwrap()?;
            last = Some(task.clone());
            wanted(&task).then_some(task)
        })
        .await;
        found.unwrap_or_else(|| {
            let last = last.map(|mut task| {
                task.metadata.managed_fields = None;
                serde_json::to_string_pretty(&task).unwrap()
            });
            panic!("{name} never came to: {what}; last seen: {last:#?}")
        })
    }

    pub async fn until_phase(&self, name: &str, phase: Phase) -> CodexTaskStatus {
        let task = self
            .until(name, phase.as_str(), |task| task.phase() == phase)
            .await;
        task.status.unwrap()
    }

    pub async fn until_gone(&self, name: &str) {
        let gone = eventually(async || {
            let task = self.tasks.get_opt(name).await.unwrap();
            task.is_none().then_some(())
        })
        .await;
        assert!(gone.is_some(), "{name} is still there");
    }

    pub async fn until_pod_gone(&self, id: &str) {
        let pods: Api<k8s_openapi::api::core::v1::Pod> =
            Api::namespaced(self.client.clone(), NAMESPACE);
        let gone = eventually(async || {
            let pod = pods.get_opt(&format!("codex-{id}")).await.unwrap();
            pod.is_none().then_some(())
        })
        .await;
        assert!(gone.is_some(), "the Pod of {id} is still there");
    }

    /// The archived log of a task.
    pub async fn archived(&self, id: &str) -> Vec<Frame> {
        archived(&self.setup.archive(), id).await
    }

    pub fn nonce(&self, task: &CodexTask) -> String {
        self.setup.nonce(&task.uid().unwrap())
    }

    /// Waits for the Pod of a task and starts its container; answers with a writer of its log.
    pub async fn run_pod(&self, id: &str) -> node::Writer {
        let name = self.name_of(id).await;
        let task = self.tasks.get(&name).await.unwrap();
        self.node
            .start(&format!("codex-{id}"), &self.nonce(&task))
            .await
    }

    async fn name_of(&self, id: &str) -> String {
        let all = self
            .tasks
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        all.items
            .into_iter()
            .find(|task| task.task_id().as_deref() == Some(id))
            .map(|task| task.name_any())
            .unwrap()
    }
}

pub async fn archived(folder: &Path, id: &str) -> Vec<Frame> {
    let archive = DirArchive::new(folder);
    let mut stream = archive
        .read(id, 0)
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("{id} has no archive"));
    let mut frames = Vec::new();
    while let Some(batch) = stream.next().await {
        frames.extend(batch.unwrap().into_iter().map(Arc::unwrap_or_clone));
    }
    frames
}

/// The texts of the lines in a log.
pub fn lines(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .filter_map(|frame| match &frame.body {
            Body::Line { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// Checks that the numbers have no hole but for gaps, and that the log ends with an end frame.
pub fn whole(frames: &[Frame]) -> &End {
    let mut last = 0;
    for frame in frames {
        assert_eq!(frame.first(), last + 1, "a hole before {frame:?}");
        last = frame.seq;
    }
    match &frames.last().expect("the log is empty").body {
        Body::End(end) => end,
        other => panic!("the log ends with {other:?}"),
    }
}

pub fn reason(status: &CodexTaskStatus) -> &str {
    status.reason.as_deref().unwrap_or_default()
}

pub fn condition<'a>(
    status: &'a CodexTaskStatus,
    kind: &str,
) -> Option<&'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// Asks until there is an answer, or patience ends.
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

async fn install_definitions(client: &Client) {
    install(client, codex_crds::definitions()).await;
}

/// Installs definitions and waits until they are served.
pub async fn install(client: &Client, definitions: Vec<CustomResourceDefinition>) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions {
        let name = definition.name_any();
        api.create(&PostParams::default(), &definition)
            .await
            .unwrap();
        tokio::time::timeout(
            PATIENCE,
            await_condition(api.clone(), &name, conditions::is_crd_established()),
        )
        .await
        .unwrap()
        .unwrap();
    }
}
