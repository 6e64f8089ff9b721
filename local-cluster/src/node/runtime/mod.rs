//! The container runtime: starts Pods' networks and containers through shims, and finds them again after a restart.
//! It knows nothing of the Kubernetes API but the Pod itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

mod container;
pub mod dirs;

pub use container::{ContainerHandle, Progress, Stopper};

use self::dirs::{PodDir, make_private};
use super::config::{NodeConfig, SandboxMode};
use super::plan::containers_of;
use super::plan::volumes::{HostKind, Source};
use super::preflight::PreflightReport;
use super::sandbox::plan::{Confinement, ContainerPlan, NetworkPlan, PodNamespaces, ProcessId};
use super::shim::{self, Lifeline, NETWORK_STATE, NetworkState};

/// How long a network process may take until it reports.
const NETWORK_START: Duration = Duration::from_secs(20);

/// Starts and finds Pods' processes.
#[derive(Debug)]
pub struct Runtime {
    config: NodeConfig,
    root: PathBuf,
    found: PreflightReport,
}

/// The network of a Pod, which lives at least as long as this.
#[derive(Debug)]
pub struct HeldNetwork {
    /// Its namespaces.
    pub namespaces: PodNamespaces,
    _lifeline: Lifeline,
}

/// The runtime failed. Trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The disk or a process start failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The Pod's network could not be made.
    #[error("the Pod's network cannot be made: {0}")]
    Network(String),
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> RuntimeError {
    let what = what.into();
    move |source| RuntimeError::System { what, source }
}

impl Runtime {
    /// A runtime that keeps its state below `root`.
    ///
    /// # Errors
    /// Fails when `root` cannot be made.
    pub fn new(
        config: NodeConfig,
        root: &Path,
        found: PreflightReport,
    ) -> Result<Self, RuntimeError> {
        let root = std::path::absolute(root).map_err(system("the node's folder"))?;
        make_private(&root.join("pods"))
            .map_err(system(format!("cannot create {}", root.display())))?;
        Ok(Self {
            config,
            root,
            found,
        })
    }

    /// The node's configuration.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// What this machine offers.
    pub fn found(&self) -> &PreflightReport {
        &self.found
    }

    /// Where the state is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a Pod.
    ///
    /// # Errors
    /// Fails for a Pod without a proper uid.
    pub fn pod_dir(&self, pod: &Pod) -> Result<PodDir, RuntimeError> {
        PodDir::new(&self.root, pod.metadata.uid.as_deref().unwrap_or_default())
            .map_err(system("the Pod's folder"))
    }

    /// How containers of a Pod with this network are confined.
    pub fn confinement(&self, network: Option<&HeldNetwork>) -> Confinement {
        match (network, &self.found.bwrap) {
            (Some(network), Some(program)) => Confinement::Bubblewrap {
                program: program.clone(),
                namespaces: network.namespaces.clone(),
            },
            _ => Confinement::None,
        }
    }

    /// The Pod's network: the one that it has, or a new one. `None` without sandboxes.
    ///
    /// # Errors
    /// Fails when the kernel refuses it.
    pub async fn network(&self, dir: &PodDir) -> Result<Option<HeldNetwork>, RuntimeError> {
        if self.config.sandbox == SandboxMode::None {
            return Ok(None);
        }
        if let Some(network) = self.running_network(dir) {
            return Ok(Some(network));
        }
        let folder = dir.network();
        make_private(&folder).map_err(system("the Pod's network folder"))?;
        // A process that was started by a node that died ends by itself, because its plan is incomplete or nobody holds its
        // lifeline; both happen within moments.
        let lifeline = Lifeline::hold(&Lifeline::path(&folder))
            .map_err(system("the Pod's network folder"))?
            .ok_or_else(|| RuntimeError::Network("the one before it is about to end".to_owned()))?;
        let plan = NetworkPlan {
            services: self.config.services.clone(),
            host: self.found.host,
        };
        let mut child = self
            .spawn("network", &folder, &folder.join("shim.log"), &plan)
            .await?;
        let mut news = [0_u8];
        let reported = match child.stdout.take() {
            Some(mut out) => tokio::time::timeout(NETWORK_START, out.read(&mut news)).await,
            None => Ok(Ok(0)),
        };
        match (reported, self.network_state(dir)) {
            (Ok(Ok(1)), Some(NetworkState::Ready(namespaces))) => Ok(Some(HeldNetwork {
                namespaces,
                _lifeline: lifeline,
            })),
            (_, Some(NetworkState::Failed { message })) => Err(RuntimeError::Network(message)),
            _ => {
                let _ = child.start_kill();
                let log = std::fs::read_to_string(folder.join("shim.log")).unwrap_or_default();
                Err(RuntimeError::Network(format!(
                    "its process did not report: {}",
                    log.lines().last().unwrap_or("it said nothing")
                )))
            }
        }
    }

    /// The Pod's network if its process lives, and goes on living.
    pub fn running_network(&self, dir: &PodDir) -> Option<HeldNetwork> {
        let NetworkState::Ready(namespaces) = self.network_state(dir)? else {
            return None;
        };
        // Held first, so that what is true of the process afterwards stays true.
        let lifeline = Lifeline::hold(&Lifeline::path(&dir.network())).ok()??;
        namespaces.process.is_alive().then_some(HeldNetwork {
            namespaces,
            _lifeline: lifeline,
        })
    }

    fn network_state(&self, dir: &PodDir) -> Option<NetworkState> {
        serde_json::from_slice(&std::fs::read(dir.network().join(NETWORK_STATE)).ok()?).ok()
    }

    /// Ends the Pod's network.
    pub fn stop_network(&self, dir: &PodDir) {
        if let Some(NetworkState::Ready(namespaces)) = self.network_state(dir)
            && let Err(error) = namespaces.process.signal(rustix::process::Signal::TERM)
        {
            tracing::warn!(error = %error, "cannot end the network process of a Pod");
        }
    }

    /// Removes what is left of the control groups of a Pod that has ended.
    pub fn remove_cgroups(&self, pod: &Pod) {
        for container in containers_of(pod) {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            for path in self.found.cgroups.groups_of(uid, &container.name) {
                let _ = std::fs::remove_dir(path);
            }
        }
    }

    /// Starts a container in a new folder, which must have been made for it.
    ///
    /// # Errors
    /// Fails when the shim cannot be started.
    pub async fn start(
        &self,
        dir: super::shim::state::ContainerDir,
        plan: &ContainerPlan,
    ) -> Result<ContainerHandle, RuntimeError> {
        let child = self
            .spawn("container", dir.path(), &dir.shim_log(), plan)
            .await?;
        let shim = child
            .id()
            .and_then(|pid| ProcessId::of(pid.cast_signed()).ok());
        Ok(ContainerHandle::started(dir, child, shim))
    }

    async fn spawn(
        &self,
        kind: &str,
        dir: &Path,
        log: &Path,
        plan: &impl Serialize,
    ) -> Result<Child, RuntimeError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(system("the shim's log"))?;
        let plan = serde_json::to_vec(plan).map_err(|error| system("the plan")(error.into()))?;
        let program = &self.found.shim;
        let mut child = Command::from(shim::command(program, kind, dir))
            .stderr(log)
            .spawn()
            .map_err(system(format!("cannot start {}", program.display())))?;
        if let Some(mut input) = child.stdin.take() {
            // A shim that ended early says why in its state; a broken pipe would only hide that.
            let _ = input.write_all(&plan).await;
        }
        Ok(child)
    }

    /// Makes the folders that volumes need.
    ///
    /// # Errors
    /// Names the folder that is missing or cannot be made.
    pub fn prepare_volumes<'a>(
        &self,
        volumes: impl IntoIterator<Item = &'a Source>,
    ) -> Result<(), RuntimeError> {
        for source in volumes {
            if let Source::Host { path, kind } = source {
                self.prepare(path, *kind)
                    .map_err(system(format!("volume at {}", path.display())))?;
            }
        }
        Ok(())
    }

    fn prepare(&self, path: &Path, kind: HostKind) -> io::Result<()> {
        match kind {
            HostKind::EmptyDir => {
                if !path.exists() {
                    if let Some(parent) = path.parent() {
                        make_private(parent)?;
                    }
                    // It appears with its owner and mode: a node that is killed in between would leave a folder in which
                    // the Pod may not write, and the next one would take it for done. `.` is in no name of a volume.
                    let unfinished = path.with_added_extension("new");
                    make_private(&unfinished)?;
                    self.give_away(&unfinished)?;
                    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o777))?;
                    std::fs::rename(&unfinished, path)?;
                }
                Ok(())
            }
            HostKind::Claim => {
                std::fs::create_dir_all(path)?;
                self.give_away(path)
            }
            HostKind::DirectoryOrCreate => std::fs::create_dir_all(path),
            HostKind::FileOrCreate => File::options()
                .create(true)
                .append(true)
                .open(path)
                .map(drop),
            HostKind::Existing => std::fs::symlink_metadata(path).map(drop),
        }
    }

    fn give_away(&self, path: &Path) -> io::Result<()> {
        let host = self.found.host;
        if host.change {
            chown(path, Some(host.uid), Some(host.gid))
        } else {
            Ok(())
        }
    }
}
