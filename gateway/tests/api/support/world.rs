//! Everything around a gateway, and a fake operator: the test itself writes the status and the log of tasks.

use std::sync::Arc;
use std::time::Duration;

use codex_crds::{CodexRepository, CodexTask, CodexTaskSpec};
use codex_gateway::Settings;
use codex_local_cluster::testing::Cluster;
use codex_tasklog::{
    Archive as _, Body, DirArchive, End, Frame, LiveLogWriter as _, MemoryStore, Stream, hub,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::UnixListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::Client;
use super::postgres;
use super::process::{Gateway, Setup};
use super::until;

pub const ADMIN: &str = "admin@example.test";
pub const PASSWORD: &str = "correct horse battery";
pub const NAMESPACE: &str = "codex-tasks";
const TS: &str = "2026-01-02T03:04:05.000006Z";

/// A world with one gateway in it.
pub struct World {
    pub gateway: Option<Gateway>,
    pub setup: Setup,
    /// The database, past the gateway.
    pub pool: PgPool,
    pub store: MemoryStore,
    /// A client with all rights.
    pub kube: kube::Client,
    cluster: Cluster,
    hub: Option<DropGuard>,
    dir: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Setup)) -> Self {
        let (cluster, database_url) = tokio::join!(Cluster::start(), postgres::database());
        let kube = cluster.client().await;
        install(&kube).await;
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::default();
        let socket = dir.path().join("hub.sock");
        let hub = start_hub(&socket, &store);
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig_path_for("gateway")).unwrap();
        let kubernetes =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .unwrap();
        let mut setup = Setup {
            kubernetes,
            database_url,
            hub: socket,
            archive: DirArchive::new(dir.path().join("archive")),
            key: rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
                .unwrap()
                .serialize_pem(),
            limiter: None,
            key_dir: None,
            settings: Settings::default(),
            token_lifetime: Duration::from_secs(600),
        };
        change(&mut setup);
        let gateway = Gateway::start(setup.clone()).await;
        let pool = PgPool::connect(&setup.database_url).await.unwrap();
        Self {
            gateway: Some(gateway),
            setup,
            pool,
            store,
            kube,
            cluster,
            hub: Some(hub),
            dir,
        }
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// Kills the gateway and starts another one, at another address.
    pub async fn replace_gateway(&mut self) {
        self.gateway.take().unwrap().kill();
        self.gateway = Some(Gateway::start(self.setup.clone()).await);
    }

    /// Cuts every connection to the live log, and refuses new ones.
    pub fn kill_hub(&mut self) {
        self.hub = None;
        std::fs::remove_file(&self.setup.hub).unwrap();
    }

    /// Serves the live log again.
    pub fn restart_hub(&mut self) {
        self.hub = Some(start_hub(&self.setup.hub, &self.store));
    }

    /// Somebody who is not logged in.
    pub fn stranger(&self) -> Client {
        Client::new(&self.gateway().url, None)
    }

    /// Somebody with this token.
    pub fn bearer(&self, token: &str) -> Client {
        Client::new(&self.gateway().url, Some(token.to_owned()))
    }

    /// As if whoever has used up the free guesses had gone on: the next wait is minutes, and no test is slow enough to sit it out.
    pub async fn as_if_guessed_on(&self) {
        let done =
            sqlx::query("UPDATE login_attempts SET failures = failures + 8 WHERE failures >= 5")
                .execute(&self.pool)
                .await
                .unwrap();
        assert!(done.rows_affected() > 0, "the guesses were not counted");
    }

    /// The acts on record about somebody, oldest first.
    pub async fn acts(&self, target: &str) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM audit WHERE target = $1 ORDER BY id")
            .bind(target)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub async fn admin(&self) -> Client {
        self.stranger().login(ADMIN, PASSWORD).await
    }

    /// A new user without rights.
    pub async fn user(&self, name: &str) -> Client {
        let email = format!("{name}@example.test");
        let body = json!({ "email": email, "password": PASSWORD });
        let made = self.admin().await.post("/api/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        self.stranger().login(&email, PASSWORD).await
    }

    /// The kubeconfig with the rights of a gateway.
    pub fn kubeconfig(&self) -> &std::path::Path {
        self.cluster.kubeconfig_path_for("gateway")
    }

    /// Where the archive is.
    pub fn archive_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("archive")
    }

    pub fn tasks(&self) -> Api<CodexTask> {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }

    /// Waits for the resource of a task.
    pub async fn resource(&self, id: &str) -> CodexTask {
        let tasks = self.tasks();
        until("the CodexTask to be created", async || {
            tasks.get_opt(id).await.unwrap()
        })
        .await
    }

    pub async fn create_by_hand(&self, name: &str, spec: CodexTaskSpec) -> CodexTask {
        let task = CodexTask::new(name, spec);
        self.tasks()
            .create(&PostParams::default(), &task)
            .await
            .unwrap()
    }

    pub async fn delete(&self, name: &str) {
        self.tasks()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// What the operator does when something happens.
    pub async fn set_status(&self, name: &str, status: Value) {
        let patch = json!({ "status": status });
        self.tasks()
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Appends lines with these numbers to the live log.
    pub async fn write_lines(&self, id: &str, numbers: std::ops::RangeInclusive<u64>) {
        let frames: Vec<_> = numbers.map(line).collect();
        self.store.append(id, &frames).await.unwrap();
    }

    pub async fn write(&self, id: &str, seq: u64, body: Body) {
        self.store.append(id, &[frame(seq, body)]).await.unwrap();
    }

    /// Ends the log after frame `last`, archives it, and sets the final status, in the order of the operator.
    pub async fn finish(&self, id: &str, last: u64) {
        let body = Body::End(End {
            exit_code: Some(0),
            last,
            ..End::default()
        });
        self.write(id, last + 1, body).await;
        self.setup
            .archive
            .put(id, &self.store.snapshot(id))
            .await
            .unwrap();
        self.set_status(
            id,
            json!({ "phase": "completed", "exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-02T03:04:06Z", "lastFrame": last + 1 }),
        )
        .await;
        self.store.remove(id).await.unwrap();
    }

    /// Submits a task, and waits until Kubernetes has it.
    pub async fn submitted(&self, client: &Client) -> String {
        let id = client.submit(&json!({ "prompt": "do it" })).await;
        self.resource(&id).await;
        id
    }
}

fn start_hub(socket: &std::path::Path, store: &MemoryStore) -> DropGuard {
    let stop = CancellationToken::new();
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(hub::serve(listener, Arc::new(store.clone()), stop.clone()));
    stop.drop_guard()
}

pub fn line(seq: u64) -> Arc<Frame> {
    let body = Body::Line {
        stream: Stream::Stderr,
        text: format!("line {seq}"),
        more: false,
    };
    frame(seq, body)
}

pub fn frame(seq: u64, body: Body) -> Arc<Frame> {
    Arc::new(Frame {
        seq,
        ts: TS.into(),
        body,
    })
}

async fn install(client: &kube::Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in codex_crds::definitions() {
        definitions
            .create(&PostParams::default(), &definition)
            .await
            .unwrap();
    }
    for (name, path) in [("app", "/srv/repos/app"), ("web", "/srv/repos/web")] {
        let annotations = (name == "app")
            .then(|| json!({ codex_crds::meta::DEFAULT_REPOSITORY_ANNOTATION: "true" }));
        let repository: CodexRepository = serde_json::from_value(json!({
            "apiVersion": "codexrunner.io/v1alpha1",
            "kind": "CodexRepository",
            "metadata": { "name": name, "annotations": annotations },
            "spec": { "path": path, "source": { "hostPath": { "path": "/tmp" } }, "description": format!("the {name}") },
        }))
        .unwrap();
        let repositories: Api<CodexRepository> = Api::namespaced(client.clone(), NAMESPACE);
        until("the definitions to be served", async || {
            repositories
                .create(&PostParams::default(), &repository)
                .await
                .ok()
        })
        .await;
    }
}
