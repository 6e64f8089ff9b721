//! A cluster in the test's own process, for the tests of this crate and others.

use std::path::Path;

use axum::Router;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;

use crate::api::store::Durability;
use crate::api::{ApiConfig, ApiServer, Running};

/// An API server on a free port over a temporary folder. It has no node: tests play the kubelet by
/// writing `status` themselves, or attach a node of their own.
///
/// It stops when it is dropped; its folder goes too.
#[derive(Debug)]
pub struct Cluster {
    running: Running,
    dir: TempDir,
}

impl Cluster {
    /// Starts an empty cluster with the namespaces `default` and `codex-tasks`.
    ///
    /// # Panics
    /// When it cannot start: a test cannot go on then.
    pub async fn start() -> Self {
        Self::start_with(None, |_| {}).await
    }

    /// The same, with the node's endpoint for logs and a change of the settings.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub async fn start_with(kubelet: Option<Router>, change: impl FnOnce(&mut ApiConfig)) -> Self {
        // Two crates install the same provider; the second is told so and need not care.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::with_prefix("codex-cluster-").expect("a temporary folder can be made");
        let mut config = ApiConfig::new(dir.path());
        // Tests do not survive a loss of power.
        config.durability = Durability::ProcessEnd;
        change(&mut config);
        let running = ApiServer::start(config, kubelet)
            .await
            .expect("the API server starts");
        let cluster = Self { running, dir };
        cluster.create_namespace("codex-tasks").await;
        cluster
    }

    /// A client with all rights.
    pub async fn client(&self) -> kube::Client {
        self.client_for("admin").await
    }

    /// A client of `admin`, `operator`, `gateway` or `node`, with that user's rights.
    ///
    /// # Panics
    /// For any other user.
    pub async fn client_for(&self, user: &str) -> kube::Client {
        let path = self.kubeconfig_path_for(user);
        let kubeconfig = Kubeconfig::read_from(path).expect("the kubeconfig is readable");
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .expect("the kubeconfig is valid");
        kube::Client::try_from(config).expect("a client can be made")
    }

    /// The administrator's kubeconfig, for kubectl.
    pub fn kubeconfig_path(&self) -> &Path {
        self.running.kubeconfig()
    }

    /// The kubeconfig of a user.
    ///
    /// # Panics
    /// For users that do not exist.
    pub fn kubeconfig_path_for(&self, user: &str) -> &Path {
        self.running
            .kubeconfig_of(user)
            .expect("the user is admin, operator, gateway or node")
    }

    /// The server, for instance to attach a node.
    pub fn server(&self) -> &Running {
        &self.running
    }

    /// Where the cluster keeps its data.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a namespace.
    ///
    /// # Panics
    /// When it exists already.
    pub async fn create_namespace(&self, name: &str) {
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
            kube::Api::all(self.client().await);
        let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": name}}))
            .expect("a namespace");
        namespaces
            .create(&kube::api::PostParams::default(), &namespace)
            .await
            .expect("the namespace can be made");
    }

    /// Stops the server and starts it again over the same folder, on the same port.
    ///
    /// # Panics
    /// When it cannot start again.
    pub async fn restart(self) -> Self {
        let Self { running, dir } = self;
        running.stop().await;
        let mut config = ApiConfig::new(dir.path());
        config.durability = Durability::ProcessEnd;
        let running = ApiServer::start(config, None)
            .await
            .expect("the API server starts again");
        Self { running, dir }
    }
}
