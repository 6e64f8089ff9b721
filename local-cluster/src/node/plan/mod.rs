//! From a Pod to what its containers need: pure functions over the Pod, the objects that it refers to and the node's
//! configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};

pub mod env;
pub mod fields;
pub mod mounts;
pub mod objects;
pub mod quantity;
pub mod security;
pub mod volumes;

use self::objects::Objects;
use super::config::{ImageConfig, NodeConfig};
use super::sandbox::cgroup::{CgroupTree, Limits};
use super::sandbox::plan::{Confinement, ContainerPlan, HostIdentity, LogPlan, Mount};
use super::sandbox::rootfs;

/// Grace period of Pods that name none.
pub const DEFAULT_GRACE_SECONDS: u64 = 30;

/// Where the search for programs goes when neither image nor Pod say it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container that cannot be planned, in the words that Kubernetes shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// Waiting reason of the container.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
}

impl PlanError {
    pub(crate) fn config(message: String) -> Self {
        Self {
            reason: reasons::CREATE_CONTAINER_CONFIG_ERROR,
            message,
        }
    }

    pub(crate) fn volume(message: String) -> Self {
        Self {
            reason: reasons::CONTAINER_CREATING,
            message,
        }
    }

    pub(crate) fn unsupported(message: String) -> Self {
        Self {
            reason: reasons::CREATE_CONTAINER_CONFIG_ERROR,
            message,
        }
    }
}

/// Waiting reasons.
pub mod reasons {
    /// The container is being prepared, or a volume is missing.
    pub const CONTAINER_CREATING: &str = "ContainerCreating";
    /// Another container has to end first.
    pub const POD_INITIALIZING: &str = "PodInitializing";
    /// Something that the container refers to is missing or wrong.
    pub const CREATE_CONTAINER_CONFIG_ERROR: &str = "CreateContainerConfigError";
    /// The node has no such image.
    pub const ERR_IMAGE_PULL: &str = "ErrImagePull";
    /// The node has no such image, and said so before.
    pub const IMAGE_PULL_BACK_OFF: &str = "ImagePullBackOff";
    /// The container ended, and is started again after a pause.
    pub const CRASH_LOOP_BACK_OFF: &str = "CrashLoopBackOff";
}

/// All containers of a Pod, in the order in which they start.
pub(crate) fn containers_of(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
    })
}

/// What a plan depends on besides the Pod.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The node's configuration.
    pub config: &'a NodeConfig,
    /// Where limits are set.
    pub cgroups: &'a CgroupTree,
    /// Whose rights containers have on the host.
    pub host: HostIdentity,
    /// How containers are confined.
    pub confinement: Confinement,
    /// The Pod's volumes.
    pub volumes: &'a BTreeMap<String, volumes::Source>,
    /// Objects that the Pod refers to.
    pub objects: &'a Objects,
}

/// The image of a container.
///
/// # Errors
/// Names an image that the node doesn't have, and those that it has.
pub fn image<'a>(
    config: &'a NodeConfig,
    container: &Container,
) -> Result<&'a ImageConfig, PlanError> {
    let name = container.image.as_deref().unwrap_or_default();
    config.images.get(name).ok_or_else(|| PlanError {
        reason: reasons::ERR_IMAGE_PULL,
        message: format!(
            "this node does not pull images, and its configuration has none called \"{name}\"; it has: {}",
            config.images.keys().cloned().collect::<Vec<_>>().join(", ")
        ),
    })
}

/// Plans one run of a container, whose log goes to `log`.
///
/// # Errors
/// Says what is missing or not supported, with a waiting reason.
pub fn container(
    pod: &Pod,
    container: &Container,
    environment: &Environment<'_>,
    log: PathBuf,
) -> Result<ContainerPlan, PlanError> {
    let Environment { config, .. } = environment;
    let image = image(config, container)?;
    let (uid, gid) = security::identity(pod, container)?;
    let mut env = env::resolve(pod, container, &image.env, environment.objects)?;
    let hostname = hostname(pod);
    env.entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    env.entry("HOME".to_owned())
        .or_insert_with(|| if uid == 0 { "/root" } else { "/" }.to_owned());
    env.insert("HOSTNAME".to_owned(), hostname.clone());

    let expand = |words: &Vec<String>| {
        words
            .iter()
            .map(|word| env::expand(word, &env))
            .collect::<Vec<_>>()
    };
    let mut argv = container
        .command
        .as_ref()
        .filter(|command| !command.is_empty())
        .map_or_else(|| image.entrypoint.clone(), expand);
    argv.extend(container.args.as_ref().map(expand).unwrap_or_default());
    if argv.is_empty() {
        return Err(PlanError::config(
            "neither the container nor its image name a command".to_owned(),
        ));
    }
    let working_dir = container
        .working_dir
        .clone()
        .filter(|dir| !dir.is_empty())
        .or_else(|| image.working_dir.clone())
        .unwrap_or_else(|| "/".to_owned());

    let aliases = host_aliases(pod);
    let confined = !matches!(environment.confinement, Confinement::None);
    let base = rootfs::Base {
        hostname: &hostname,
        uid,
        gid,
        host_aliases: &aliases,
    };
    let volumes = mounts::of_container(container, environment.volumes, &env)?;
    let mounts = mounts(image, volumes, confined.then_some(&base))?;
    if !confined {
        // Without a network of its own, the container reaches the services where they really are.
        for service in &config.services {
            let (listen, target) = (service.listen.to_string(), service.target.to_string());
            env.values_mut()
                .for_each(|value| *value = value.replace(&listen, &target));
        }
    }
    let limits = Limits {
        memory: fields::limit_millis(container, "memory").map(|millis| millis.div_ceil(1000)),
        cpu_millis: fields::limit_millis(container, "cpu"),
        pids: config.pod_pids_limit,
    };
    let pod_uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let mut cgroup = environment.cgroups.plan(pod_uid, &container.name, limits);
    if !confined {
        // Outside a user namespace of its own, this limit would count every process of the user.
        cgroup.process_limit = None;
    }
    Ok(ContainerPlan {
        argv,
        env: env.into_iter().collect(),
        working_dir,
        hostname,
        uid,
        gid,
        host: environment.host,
        confinement: environment.confinement.clone(),
        mounts,
        cgroup,
        log: LogPlan {
            path: log,
            max_bytes: config.container_log_max_size,
            max_files: config.container_log_max_files,
        },
        grace_seconds: grace_seconds(pod),
    })
}

/// Seconds from SIGTERM to SIGKILL.
pub fn grace_seconds(pod: &Pod) -> u64 {
    let asked = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.termination_grace_period_seconds);
    asked.map_or(DEFAULT_GRACE_SECONDS, |seconds| {
        u64::try_from(seconds).unwrap_or(0)
    })
}

fn hostname(pod: &Pod) -> String {
    let name = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.hostname.clone())
        .or_else(|| pod.metadata.name.clone())
        .unwrap_or_default();
    // The kernel takes 64 bytes; Kubernetes cuts at 63, the length of a DNS label.
    name.chars()
        .take(63)
        .collect::<String>()
        .trim_end_matches(['-', '.'])
        .to_owned()
}

fn host_aliases(pod: &Pod) -> Vec<(IpAddr, Vec<String>)> {
    let aliases = pod
        .spec
        .iter()
        .flat_map(|spec| spec.host_aliases.iter().flatten());
    aliases
        .filter_map(|alias| {
            Some((
                alias.ip.parse().ok()?,
                alias.hostnames.clone().unwrap_or_default(),
            ))
        })
        .collect()
}

fn mounts(
    image: &ImageConfig,
    volumes: Vec<Mount>,
    base: Option<&rootfs::Base<'_>>,
) -> Result<Vec<Mount>, PlanError> {
    let mut targets: Vec<String> = image.binds.iter().map(|bind| bind.target.clone()).collect();
    targets.extend(volumes.iter().filter_map(|mount| match mount {
        Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } | Mount::File { target, .. } => {
            Some(target.clone())
        }
        _ => None,
    }));
    let mut mounts = base.map(rootfs::base).unwrap_or_default();
    if base.is_some() {
        rootfs::make_room(&mut mounts, &targets).map_err(PlanError::config)?;
    }
    let mut binds: Vec<_> = image
        .binds
        .iter()
        .filter(|bind| bind.source != Path::new("/usr") || bind.target != "/usr")
        .collect();
    binds.sort_by_key(|bind| Path::new(&bind.target).components().count());
    mounts.extend(binds.into_iter().map(|bind| Mount::Bind {
        source: bind.source.clone(),
        sub_path: None,
        target: bind.target.clone(),
        read_only: true,
    }));
    mounts.extend(volumes);
    rootfs::seal(&mut mounts);
    Ok(mounts)
}
