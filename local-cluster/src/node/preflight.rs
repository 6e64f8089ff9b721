//! Finding out, before anything runs, whether this machine can run Pods: by running one.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::config::{NodeConfig, SandboxMode};
use super::plan::security::DEFAULT_ID;
use super::sandbox::cgroup::CgroupTree;
use super::sandbox::plan::{
    CgroupPlan, Confinement, ContainerPlan, HostIdentity, LogPlan, NetworkPlan,
};
use super::sandbox::rootfs;
use super::shim::state::{ContainerDir, Outcome};
use super::shim::{self, Lifeline, NETWORK_STATE, NetworkState};

/// The host uid of Pods on a node that runs as root. It belongs to nobody on usual systems.
const DEFAULT_RUNTIME_UID: u32 = 65532;

/// What this machine offers.
#[derive(Clone, Debug)]
pub struct PreflightReport {
    /// bubblewrap, unless sandboxes are off.
    pub bwrap: Option<PathBuf>,
    /// The program that shims are started from.
    pub shim: PathBuf,
    /// Whose rights Pods have on the host.
    pub host: HostIdentity,
    /// Where limits are set.
    pub cgroups: CgroupTree,
    /// What people should know, in sentences.
    pub warnings: Vec<String>,
}

/// This machine cannot run Pods as configured. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No bubblewrap.
    #[error(
        "bubblewrap was not found; install the package `bubblewrap`, or @openai/codex from npm, which contains it, \
         or set CODEX_BWRAP (or `bwrap` in the configuration) to its path"
    )]
    NoBubblewrap,
    /// The program of the shims is missing.
    #[error(
        "the program codex-local-cluster was not found next to {0}; build it, or set `shim` in the configuration"
    )]
    NoShim(PathBuf),
    /// Pods would have root's rights on the host.
    #[error("runtime_uid must not be 0: Pods would have root's rights on this machine")]
    RootPods,
    /// Without a sandbox, Pods would be root's processes.
    #[error(
        "sandbox \"none\" is not possible for root; run the node as a user that may lose what it has"
    )]
    RootWithoutSandbox,
    /// The kernel or another guard refuses what sandboxes need.
    #[error("Pods cannot be sandboxed on this machine: {reason}. {advice}")]
    Sandbox {
        /// What failed.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The trial itself failed.
    #[error("the trial of the sandbox failed: {0}")]
    Trial(#[from] io::Error),
}

/// Checks that this machine can run Pods, by running an empty one. Takes about 0.1 s, and blocks.
///
/// # Errors
/// Says what is missing and what to do.
pub fn preflight(config: &NodeConfig) -> Result<PreflightReport, PreflightError> {
    let shim = find_shim(config)?;
    let host = host_identity(config)?;
    let cgroups = CgroupTree::detect();
    let mut warnings = Vec::new();
    if let CgroupTree::Unavailable { reason } = &cgroups {
        warnings.push(format!(
            "Memory and CPU limits of Pods are not enforced: {reason}."
        ));
    } else if !cgroups.limits_memory() {
        warnings.push(
            "Memory limits of Pods are not enforced: the memory control group cannot be written."
                .to_owned(),
        );
    }
    if config.sandbox == SandboxMode::None {
        if host.change {
            return Err(PreflightError::RootWithoutSandbox);
        }
        warnings.push("Pods are NOT sandboxed (sandbox: none): every task can read and change whatever this user can.".to_owned());
        return Ok(PreflightReport {
            bwrap: None,
            shim,
            host,
            cgroups,
            warnings,
        });
    }
    let bwrap = find_bwrap(config).ok_or(PreflightError::NoBubblewrap)?;
    let report = PreflightReport {
        bwrap: Some(bwrap),
        shim,
        host,
        cgroups,
        warnings,
    };
    try_sandbox(&report)?;
    Ok(report)
}

fn host_identity(config: &NodeConfig) -> Result<HostIdentity, PreflightError> {
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    if uid != 0 {
        return Ok(HostIdentity {
            uid,
            gid,
            change: false,
        });
    }
    match config.runtime_uid.unwrap_or(DEFAULT_RUNTIME_UID) {
        0 => Err(PreflightError::RootPods),
        uid => Ok(HostIdentity {
            uid,
            gid: uid,
            change: true,
        }),
    }
}

fn find_shim(config: &NodeConfig) -> Result<PathBuf, PreflightError> {
    const PROGRAM: &str = "codex-local-cluster";
    if let Some(path) = &config.shim {
        return if path.is_file() {
            Ok(path.clone())
        } else {
            Err(PreflightError::NoShim(path.clone()))
        };
    }
    let own = std::env::current_exe()?;
    if own.file_name().is_some_and(|name| name == PROGRAM) {
        return Ok(own);
    }
    // Test programs are one folder below the others.
    let folders = own.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join(PROGRAM))
        .find(|path| path.is_file());
    found.ok_or(PreflightError::NoShim(own))
}

/// Looks for bubblewrap: the configuration, `CODEX_BWRAP`, the codex npm package beside this program or the working
/// folder, `PATH`. The package's copy comes before the system's because it is of a known version.
pub fn find_bwrap(config: &NodeConfig) -> Option<PathBuf> {
    let named = config
        .bwrap
        .clone()
        .or_else(|| std::env::var_os("CODEX_BWRAP").map(PathBuf::from));
    if let Some(path) = named {
        return path.is_file().then_some(path);
    }
    let own = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let packages = own
        .iter()
        .chain(&here)
        .flat_map(|path| path.ancestors())
        .filter_map(packaged_bwrap);
    let installed = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    packages
        .chain(installed.map(|folder| folder.join("bwrap")))
        .find(|path| path.is_file())
}

fn packaged_bwrap(folder: &Path) -> Option<PathBuf> {
    let (package, target) = match std::env::consts::ARCH {
        "x86_64" => ("codex-linux-x64", "x86_64-unknown-linux-musl"),
        "aarch64" => ("codex-linux-arm64", "aarch64-unknown-linux-musl"),
        _ => return None,
    };
    let path = folder
        .join("node_modules/@openai")
        .join(package)
        .join("vendor")
        .join(target)
        .join("codex-resources/bwrap");
    path.is_file().then_some(path)
}

fn try_sandbox(report: &PreflightReport) -> Result<(), PreflightError> {
    let dir = tempfile::tempdir()?;
    let refused = |reason: String| PreflightError::Sandbox {
        advice: advice(),
        reason,
    };
    let _lifeline = Lifeline::hold(&Lifeline::path(dir.path()))?;
    let mut network = start(
        report,
        "network",
        dir.path(),
        &NetworkPlan {
            services: Vec::new(),
            host: report.host,
        },
    )?;
    let mut news = [0_u8];
    let reported = network
        .stdout
        .take()
        .map_or(Ok(0), |mut out| out.read(&mut news));
    let state = fs::read(dir.path().join(NETWORK_STATE))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let result = match (reported, state) {
        (Ok(1), Some(NetworkState::Ready(namespaces))) => {
            try_container(report, dir.path(), namespaces).and_then(|outcome| match outcome {
                Outcome::Exited { code: 0, .. } => Ok(()),
                Outcome::CannotRun { message } => Err(refused(message)),
                other => Err(refused(format!("the trial ended with {other:?}"))),
            })
        }
        (_, Some(NetworkState::Failed { message })) => Err(refused(message)),
        _ => Err(refused("the network process did not report".to_owned())),
    };
    let _ = network.kill();
    network.wait()?;
    result
}

fn try_container(
    report: &PreflightReport,
    dir: &Path,
    namespaces: super::sandbox::plan::PodNamespaces,
) -> Result<Outcome, PreflightError> {
    let container = ContainerDir::new(dir.join("container"));
    fs::create_dir(container.path())?;
    let mut mounts = rootfs::base(&rootfs::Base {
        hostname: "preflight",
        uid: DEFAULT_ID,
        gid: DEFAULT_ID,
        host_aliases: &[],
    });
    rootfs::seal(&mut mounts);
    let plan = ContainerPlan {
        argv: vec!["/usr/bin/env".to_owned(), "true".to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        working_dir: "/".to_owned(),
        hostname: "preflight".to_owned(),
        uid: DEFAULT_ID,
        gid: DEFAULT_ID,
        host: report.host,
        confinement: Confinement::Bubblewrap {
            program: report.bwrap.clone().unwrap_or_default(),
            namespaces,
        },
        mounts,
        cgroup: CgroupPlan::default(),
        log: LogPlan {
            path: container.log(),
            max_bytes: 1 << 20,
            max_files: 2,
        },
        grace_seconds: 1,
    };
    start(report, "container", container.path(), &plan)?.wait()?;
    let outcome = container.exit().map(|exit| exit.outcome);
    Ok(outcome.ok_or_else(|| io::Error::other("the trial container left no result"))?)
}

fn start(
    report: &PreflightReport,
    kind: &str,
    dir: &Path,
    plan: &impl serde::Serialize,
) -> io::Result<std::process::Child> {
    let mut child = shim::command(&report.shim, kind, dir)
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(&serde_json::to_vec(plan)?);
    }
    Ok(child)
}

/// What to do about a kernel that refuses namespaces.
fn advice() -> String {
    let setting = |path: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(path))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let mut advice = Vec::new();
    if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        advice.push("AppArmor restricts user namespaces: `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or install an AppArmor profile that allows `userns` for bwrap and codex-local-cluster");
    }
    if setting("kernel/unprivileged_userns_clone") == "0" {
        advice.push("user namespaces are off: `sudo sysctl kernel.unprivileged_userns_clone=1`");
    }
    if setting("user/max_user_namespaces") == "0" {
        advice.push("user namespaces are off: `sudo sysctl user.max_user_namespaces=15000`");
    }
    if advice.is_empty() {
        advice.push("Inside a container, allow it user namespaces and an unmasked /proc (Docker: `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`), or run on the host");
    }
    format!(
        "{}. To run trusted tasks without any isolation, set `sandbox` to \"none\".",
        advice.join("; ")
    )
}
