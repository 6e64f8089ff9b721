//! Starting, serving and stopping.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::Authenticator;
use super::config::ApiConfig;
use super::error::ApiError;
use super::files::write_private;
use super::request::WriteOptions;
use super::resources::{CRDS, Catalog};
use super::store::{Store, StoreConfig, StoreError};
use super::tls::Pki;
use super::write::{Part, Target};
use super::{Api, dispatch, kubeconfig};
use crate::https;
use crate::schema::SchemaRegistry;

/// Namespaces of every cluster.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];
/// Open requests have this long to end at a stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The storage refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or the address could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The namespaces of the cluster could not be made.
    #[error("cannot set up the cluster: {0}")]
    Bootstrap(#[from] ApiError),
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

/// The API server.
#[derive(Debug)]
pub struct ApiServer;

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    api: Arc<Api>,
    address: SocketAddr,
    kubeconfigs: BTreeMap<&'static str, PathBuf>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl ApiServer {
    /// Recovers the state, listens, and writes the kubeconfig files. `kubelet` serves the logs of
    /// containers; without one, [`Running::attach_kubelet`] can bring it later.
    ///
    /// # Errors
    /// When the data folder or the address is not usable; the message says why.
    pub async fn start(config: ApiConfig, kubelet: Option<Router>) -> Result<Running, StartError> {
        let data = config.data_dir.clone();
        prepare_data_dir(&data)?;
        let mut store_config = StoreConfig::new(data.join("state"));
        store_config.durability = config.durability;
        store_config.history = config.history;
        let store = Store::open(store_config)?;
        let auth = Authenticator::load(&data.join("tokens.json"), &config.task_namespaces)
            .map_err(io_error("cannot read or write tokens.json"))?;
        let pki = Pki::load(&data.join("pki")).map_err(io_error("cannot set up TLS"))?;
        let schemas = SchemaRegistry::builtin();
        for crd in store.list(CRDS, None).items {
            if let Err(errors) = schemas.set_crd(&crd.value) {
                tracing::error!(
                    crd = super::object::name(&crd.value),
                    ?errors,
                    "a stored definition is not usable"
                );
            }
        }
        let stop = CancellationToken::new();
        let catalog = Catalog::load(&store);
        let api = Arc::new(Api {
            store,
            catalog,
            schemas,
            auth,
            kubelet: kubelet.map_or_else(OnceLock::new, OnceLock::from),
            volumes_dir: data.join("volumes"),
            shutdown: stop.clone(),
        });
        bootstrap(&api).await?;
        let listener = listen(&data, config.listen).await?;
        let address = listener
            .local_addr()
            .map_err(io_error("cannot read the address"))?;
        let kubeconfigs = write_kubeconfigs(&api, &data, address, &pki.ca_pem)?;
        let tasks = TaskTracker::new();
        super::controllers::start(&api, &tasks);
        let router = Router::new()
            .fallback(dispatch::handle)
            .with_state(Arc::clone(&api));
        let acceptor = TlsAcceptor::from(pki.server);
        let ended = https::serve(listener, acceptor, router, stop.clone(), DRAIN);
        tasks.spawn(async move {
            if !ended.await {
                tracing::warn!("some requests did not end in time");
            }
        });
        tasks.close();
        Ok(Running {
            api,
            address,
            kubeconfigs,
            stop,
            tasks,
        })
    }
}

impl Running {
    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfigs["admin"]
    }

    /// The kubeconfig of `admin`, `operator`, `gateway` or `node`.
    pub fn kubeconfig_of(&self, user: &str) -> Option<&Path> {
        self.kubeconfigs.get(user).map(PathBuf::as_path)
    }

    /// The node's endpoint for container logs. Only the first one counts.
    pub fn attach_kubelet(&self, kubelet: Router) {
        if self.api.kubelet.set(kubelet).is_err() {
            tracing::warn!("a node is attached already");
        }
    }

    /// Resolves when the storage has failed; the process should end then.
    pub async fn failed(&self) -> String {
        tokio::select! {
            failure = self.api.store.failed() => failure,
            () = self.stop.cancelled() => "a controller died; the log says why".to_owned(),
        }
    }

    /// Ends watches, lets open requests finish, and closes the storage.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
        let store = Arc::clone(&self.api.store);
        // Joins a thread that may be writing.
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn prepare_data_dir(data: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::PermissionsExt as _;
    let what = || format!("cannot prepare {}", data.display());
    std::fs::create_dir_all(data).map_err(io_error(what()))?;
    for private in ["state", "pki", "kubeconfigs"] {
        let dir = data.join(private);
        std::fs::create_dir_all(&dir).map_err(io_error(what()))?;
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&dir, mode).map_err(io_error(what()))?;
    }
    Ok(())
}

/// A port that was chosen once is kept, so that kubeconfig files stay valid over restarts.
async fn listen(data: &Path, wanted: SocketAddr) -> Result<TcpListener, StartError> {
    let file = data.join("port");
    let mut address = wanted;
    if wanted.port() == 0
        && let Ok(saved) = std::fs::read_to_string(&file)
        && let Ok(port) = saved.trim().parse()
    {
        address.set_port(port);
    }
    let listener = match TcpListener::bind(address).await {
        // Someone else took the port meanwhile; a new one is better than no cluster.
        Err(e) if wanted.port() == 0 && e.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(wanted).await
        }
        result => result,
    }
    .map_err(io_error(format!("cannot listen on {address}")))?;
    if let Ok(actual) = listener.local_addr() {
        write_private(&file, actual.port().to_string().as_bytes())
            .map_err(io_error("cannot keep the port"))?;
    }
    Ok(listener)
}

fn write_kubeconfigs(
    api: &Api,
    data: &Path,
    address: SocketAddr,
    ca_pem: &str,
) -> Result<BTreeMap<&'static str, PathBuf>, StartError> {
    let mut files = BTreeMap::new();
    for (name, user, file) in [
        ("admin", "admin", data.join("kubeconfig")),
        (
            "operator",
            "codex-operator",
            data.join("kubeconfigs/operator.yaml"),
        ),
        (
            "gateway",
            "codex-gateway",
            data.join("kubeconfigs/gateway.yaml"),
        ),
        ("node", "codex-node", data.join("kubeconfigs/node.yaml")),
    ] {
        let token = api.auth.token(user).unwrap_or_default();
        let config = kubeconfig::render(&format!("https://{address}"), ca_pem, user, token);
        write_private(&file, format!("{config:#}\n").as_bytes())
            .map_err(io_error(format!("cannot write {}", file.display())))?;
        files.insert(name, file);
    }
    Ok(files)
}

async fn bootstrap(api: &Api) -> Result<(), ApiError> {
    let served = api.catalog.served();
    let namespaces = served
        .find("", "v1", "namespaces")
        .ok_or_else(|| ApiError::Internal("namespaces are not served".into()))?;
    for name in NAMESPACES {
        let target = Target::new(&namespaces, "", name, Part::Internal);
        let object = json!({"metadata": {"name": name}});
        let options = WriteOptions::internal("codex-local-cluster");
        match api.create(&target, object, &options).await {
            Ok(_) | Err(ApiError::AlreadyExists(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}
