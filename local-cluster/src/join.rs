//! `codex-local-cluster node`: the node alone, as a kubelet of somebody else's API server.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::https;
use crate::node::kubelet::access::Access;
use crate::node::kubelet::{authorities, certificate};
use crate::node::{Node, NodeConfig, binder, kubelet};

/// Who reads a log has this long to take what is on its way when the node stops. Readers come back to the next one.
const DRAIN: Duration = Duration::from_millis(500);

/// The settings of a node in a cluster that it is no part of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JoinConfig {
    /// How to reach the API server, and as whom. The user needs what a kubelet may do: keep the Node and its Lease, watch Pods, write
    /// their status and delete them, read what they refer to, write events, and create TokenReviews and SubjectAccessReviews.
    pub kubeconfig: PathBuf,
    /// The folder of the node.
    pub data_dir: PathBuf,
    /// Where container logs are served to the API server. Port 0 picks a free one, and the Node says which.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// The address that the Node tells the API server; that of `listen` without it.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The authorities (PEM) that vouch for clients of the node's endpoint, as a kubelet's `--client-ca-file`. Without it those that
    /// the API server publishes in ConfigMap `kube-system/extension-apiserver-authentication`.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// Namespaces whose pending Pods the node binds to itself. For clusters where no scheduler runs; see [`binder`].
    #[serde(default)]
    pub bind_pods: Vec<String>,
    /// What Pods run with.
    #[serde(flatten)]
    pub node: NodeConfig,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl JoinConfig {
    /// Reads a JSON file.
    ///
    /// # Errors
    /// Names the file, and the field that is wrong.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let json =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("{} is not valid", file.display()))
    }
}

/// Runs the node until `shutdown`, or until a part of it fails. `ready` is called once, with the address that the API server is told.
/// Pods go on afterwards, and the next node with the same folder takes them over.
///
/// # Errors
/// Says which part failed, and why.
pub async fn run(
    config: JoinConfig,
    shutdown: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let folder = config.data_dir.clone();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let node = {
        let (settings, folder) = (config.node.clone(), folder.clone());
        // It tries the sandbox, which blocks.
        tokio::task::spawn_blocking(move || Node::new(settings, folder)).await??
    };
    let client = client(&config.kubeconfig).await?;
    let authorities = tokio::select! {
        authorities = authorities::load(config.client_ca_file.as_deref(), &client) => authorities?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let port = listener.local_addr()?.port();
    let endpoint = SocketAddr::new(config.address.unwrap_or(config.listen.ip()), port);
    let tls = certificate::server_config(&folder, endpoint.ip(), authorities)?;
    let access = Access::new(client.clone(), node.name());
    let router = kubelet::guarded(node.kubelet_router(), Arc::new(access));

    let stop = CancellationToken::new();
    let acceptor = TlsAcceptor::from(tls);
    let mut serving = AbortOnDropHandle::new(tokio::spawn(https::serve(
        listener,
        acceptor,
        router,
        stop.clone(),
        DRAIN,
    )));
    let mut binding = AbortOnDropHandle::new(tokio::spawn(binder::run(
        client.clone(),
        node.name().to_owned(),
        config.bind_pods,
        stop.clone(),
    )));
    let mut running = AbortOnDropHandle::new(tokio::spawn(
        node.reached_at(endpoint).run(client, stop.clone()),
    ));
    ready(endpoint);
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = &mut running => match ended {
            Ok(Ok(())) => Err(anyhow::anyhow!("the node ended without being asked to")),
            Ok(Err(error)) => Err(error.into()),
            Err(panic) => Err(panic.into()),
        },
        ended = &mut serving => Err(anyhow::anyhow!("the endpoint for logs ended: {ended:?}")),
        ended = &mut binding => Err(anyhow::anyhow!("the binding of Pods ended: {ended:?}")),
    };
    stop.cancel();
    if outcome.is_ok() {
        running.await??;
        binding.await?;
        if !serving.await? {
            tracing::debug!("some readers of logs were cut off");
        }
    }
    outcome
}

async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let unusable = || format!("the kubeconfig {} is not usable", kubeconfig.display());
    let file = Kubeconfig::read_from(kubeconfig).with_context(unusable)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(unusable)?;
    Client::try_from(config).with_context(unusable)
}
