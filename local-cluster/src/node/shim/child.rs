//! Starting the first process of a container: everything between `fork` and `exec`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use rustix::fs::{CWD, Mode, OFlags};

use crate::node::sandbox::plan::{CgroupPlan, Confinement, ContainerPlan, PodNamespaces};
use crate::node::sandbox::{bwrap, netns, plain, staging};

/// A started container.
#[derive(Debug)]
pub(super) struct Launched {
    /// bubblewrap, or the container's process itself when it isn't confined.
    pub(super) child: Child,
    /// bubblewrap's reports, as JSON lines.
    pub(super) status: Option<File>,
    /// Writing to it lets a confined container go on, which waits for that when its process limit has to be set first.
    pub(super) block: Option<File>,
}

/// Starts the container.
///
/// # Errors
/// Says in words what failed; nothing runs then.
pub(super) fn launch(plan: &ContainerPlan, folder: &Path) -> io::Result<Launched> {
    match &plan.confinement {
        Confinement::Bubblewrap {
            program,
            namespaces,
        } => launch_confined(plan, program, namespaces),
        Confinement::None => launch_plain(&plain::without_mounts(plan, folder)?),
    }
}

fn launch_confined(
    plan: &ContainerPlan,
    program: &Path,
    namespaces: &PodNamespaces,
) -> io::Result<Launched> {
    let (status_read, status_write) = pipe_for_child()?;
    let (block_read, block_write) = close_on_exec_pipe()?;
    let limited = plan.cgroup.process_limit.is_some();
    if limited {
        rustix::io::fcntl_setfd(&block_read, rustix::io::FdFlags::empty())?;
    }
    let stage = if plan.host.change {
        Some(staging::folder()?)
    } else {
        None
    };
    let line = bwrap::command_line(plan, stage, &status_write, limited.then_some(&block_read))?;
    let program = rustix::fs::openat(CWD, program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| {
        io::Error::other(format!("bubblewrap at {}: {error}", program.display()))
    })?;
    let (user, net) = open_namespaces(namespaces)?;

    // Executed by descriptor: the path may be below a folder that the unprivileged uid cannot enter.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command
        .arg0("bwrap")
        .args(&line.arguments)
        .env_clear()
        .current_dir("/");
    let (host, cgroup, sources) = (plan.host, plan.cgroup.clone(), line.sources);
    let child = spawn(command, move || {
        step("joining the control groups", join_cgroups(&cgroup))?;
        step("setting resource limits", limit_resources())?;
        if let Some(stage) = stage {
            step("mounting the volumes", staging::stage(stage, &sources))?;
        }
        step(
            "changing to the host uid of Pods",
            netns::become_host_identity(host).map_err(io::Error::from),
        )?;
        step(
            "becoming dumpable",
            nix::sys::prctl::set_dumpable(true).map_err(io::Error::from),
        )?;
        step(
            "entering the Pod's namespaces",
            netns::enter(user.as_fd(), net.as_fd()).map_err(io::Error::from),
        )?;
        die_with_shim()
    })?;
    drop((status_write, block_read, line.descriptors));
    Ok(Launched {
        child,
        status: Some(status_read),
        block: limited.then_some(block_write),
    })
}

fn launch_plain(plan: &ContainerPlan) -> io::Result<Launched> {
    let (program, arguments) = plan
        .argv
        .split_first()
        .ok_or_else(|| io::Error::other("the container has no command"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(plan.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(if Path::new(&plan.working_dir).is_dir() {
        &plan.working_dir
    } else {
        "/"
    });
    let (host, cgroup) = (plan.host, plan.cgroup.clone());
    let child = spawn(command, move || {
        step("joining the control groups", join_cgroups(&cgroup))?;
        step("setting resource limits", limit_resources())?;
        step(
            "changing to the host uid of Pods",
            netns::become_host_identity(host).map_err(io::Error::from),
        )?;
        let _ = nix::unistd::setsid();
        die_with_shim()
    })?;
    Ok(Launched {
        child,
        status: None,
        block: None,
    })
}

/// Spawns with outputs as pipes. The standard library passes on only the error number of a failed step, so its words take
/// a pipe of their own.
fn spawn(
    mut command: Command,
    before_exec: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (mut words, report) = close_on_exec_pipe()?;
    let write = report.try_clone()?;
    let steps = move || {
        // The shim has blocked signals that the container must get, and a blocked signal stays so over exec.
        let unblocked = SigSet::empty().thread_set_mask().map_err(io::Error::from);
        unblocked.and_then(|()| before_exec()).inspect_err(|error| {
            let _ = (&write).write_all(error.to_string().as_bytes());
        })
    };
    #[expect(unsafe_code, reason = "pre_exec has no safe form")]
    // SAFETY: this process has a single thread, so allocating and locking after the fork are as good as before it.
    unsafe {
        command.pre_exec(steps);
    }
    let result = command.spawn();
    drop((command, report));
    result.map_err(|error| {
        let mut text = String::new();
        let _ = words.read_to_string(&mut text);
        if text.is_empty() {
            error
        } else {
            io::Error::other(text)
        }
    })
}

fn step(what: &str, result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| io::Error::other(format!("{what}: {error}")))
}

fn join_cgroups(plan: &CgroupPlan) -> io::Result<()> {
    for group in &plan.groups {
        std::fs::write(group.path.join("cgroup.procs"), "0").map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", group.path.display()))
        })?;
    }
    Ok(())
}

/// Limits that hold without control groups. Address space is not among them: V8 and the sanitizers reserve terabytes.
fn limit_resources() -> io::Result<()> {
    const OPEN_FILES: u64 = 1 << 20;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(
        Resource::RLIMIT_NOFILE,
        most.min(OPEN_FILES),
        most.min(OPEN_FILES),
    )?;
    Ok(())
}

fn die_with_shim() -> io::Result<()> {
    // Last, because a change of credentials clears it. If the shim died before, its child has been given to another.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}

fn open_namespaces(namespaces: &PodNamespaces) -> io::Result<(File, File)> {
    let gone =
        |error: io::Error| io::Error::other(format!("the Pod's network process is gone ({error})"));
    let pid = namespaces.process.pid;
    let user = File::open(format!("/proc/{pid}/fd/{}", namespaces.user_fd)).map_err(gone)?;
    let net = File::open(format!("/proc/{pid}/fd/{}", namespaces.net_fd)).map_err(gone)?;
    // Asked after opening, so that the answer holds for what was opened.
    if !namespaces.process.is_alive() {
        return Err(gone(io::Error::other(
            "its number belongs to another process",
        )));
    }
    Ok((user, net))
}

/// A pipe whose write end the child inherits.
fn pipe_for_child() -> io::Result<(File, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::empty())?;
    Ok((read.into(), write))
}

fn close_on_exec_pipe() -> io::Result<(File, File)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read.into(), write.into()))
}
