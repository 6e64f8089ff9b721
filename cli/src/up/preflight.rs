//! What is checked before anything is started, so that a mistake shows at once and in plain words.

use std::{
    io,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use nix::{sys::statvfs::statvfs, unistd::geteuid};

use super::{
    error::UpError,
    ports::{self, Ports},
    progress::Progress,
    repository::Repository,
};

/// Below this nothing is started, in MiB.
const NEEDED_MIB: u64 = 256;
/// Below this the user is warned, in MiB.
const COMFORTABLE_MIB: u64 = 2048;
/// The host user of Pods when root starts them: anybody but root.
const POD_UID: u32 = 65_532;

/// Checks that there is room for data.
///
/// # Errors
/// When there is too little to start.
pub fn check_disk(data: &Path, progress: Progress) -> Result<(), UpError> {
    let stat = statvfs(data)
        .map_err(|errno| super::error::file_error("look at the disk of", data)(errno.into()))?;
    let free_mib = stat.fragment_size() * stat.blocks_available() / (1024 * 1024);
    if free_mib < NEEDED_MIB {
        return Err(UpError::DiskFull {
            data: data.to_owned(),
            free_mib,
            needed_mib: NEEDED_MIB,
        });
    }
    if free_mib < COMFORTABLE_MIB {
        progress.warn(format!(
            "only {free_mib} MiB are free for {}",
            data.display()
        ));
    }
    Ok(())
}

/// The gateway's address: the one that was asked for, or for port 0 the one of the last time.
///
/// # Errors
/// When somebody else listens there.
pub fn gateway_address(
    asked: SocketAddr,
    ports: &Ports,
    progress: Progress,
) -> Result<SocketAddr, UpError> {
    if !asked.ip().is_loopback() {
        progress.warn(format!(
            "{asked} can be reached from other machines, and passwords go over plain HTTP: put a TLS proxy in front"
        ));
    }
    if asked.port() == 0 {
        let kept = SocketAddr::new(asked.ip(), ports.address("gateway.url").port());
        return Ok(if ports::probe(kept).is_ok() {
            kept
        } else {
            asked
        });
    }
    match ports::probe(asked) {
        Ok(()) => Ok(asked),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(UpError::AddressTaken { address: asked })
        }
        Err(source) => Err(UpError::Address {
            address: asked,
            source,
        }),
    }
}

/// Tries whether the kernel lets an unprivileged process make the namespaces that a Pod needs.
///
/// # Errors
/// When it does not; the text says which setting it may be.
pub fn check_namespaces(bwrap: &Path) -> Result<(), UpError> {
    // Opened here and run through the descriptor, because the unprivileged user may not be able to walk to it. The shell is in between
    // because a process that has just changed its user may not look at its own descriptors in /proc; after an exec it may.
    let program = std::fs::File::open(bwrap).map_err(super::error::file_error("open", bwrap))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"exec /proc/self/fd/0 "$@""#, "bwrap"])
        .args([
            "--unshare-user",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
        ])
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--", "/bin/true"])
        .env_clear()
        .current_dir("/")
        .stdin(program)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if geteuid().is_root() {
        command.uid(POD_UID).gid(POD_UID);
    }
    let output = command.output().map_err(|source| UpError::System {
        what: format!("cannot run {}", bwrap.display()),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(UpError::NoNamespaces(format!(
        "the kernel refuses the namespaces that Pods are made of ({}).{} Where that is not possible, \
         --insecure-no-sandbox runs Pods as plain processes of this user: for trusted tasks only",
        said.trim(),
        namespace_hints()
    )))
}

/// Warns of Pods without a sandbox.
///
/// # Errors
/// For root: such Pods would own the machine.
pub fn check_no_sandbox(progress: Progress) -> Result<(), UpError> {
    if geteuid().is_root() {
        return Err(UpError::NoNamespaces(
            "--insecure-no-sandbox is not for root, whose Pods would own the machine: start this as another user".into(),
        ));
    }
    progress
        .warn("--insecure-no-sandbox: tasks run as plain processes and can do whatever you can");
    Ok(())
}

fn namespace_hints() -> String {
    let value = |name: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
    };
    let mut hints = String::new();
    for (name, bad, good) in [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "10000"),
    ] {
        if value(name).as_deref() == Some(bad) {
            hints.push_str(&format!(
                " {name} is {bad}: run `sudo sysctl {name}={good}`."
            ));
        }
    }
    if hints.is_empty() && Path::new("/.dockerenv").exists() {
        hints.push_str(
            " This is a container: start it with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`.",
        );
    }
    hints
}

/// Warns of what will not stop the start but will surprise later.
pub fn warn_of_surprises(repositories: &[Repository], progress: Progress) {
    use std::os::unix::fs::MetadataExt as _;
    let git = Command::new("git")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if git.is_err() {
        progress.warn(
            "git is not installed: tasks work, but have no history, and patches may be missing",
        );
    }
    if !geteuid().is_root() {
        return;
    }
    for repository in repositories {
        if repository
            .folder
            .metadata()
            .is_ok_and(|found| found.mode() & 0o5 != 0o5)
        {
            progress.warn(format!(
                "{} is closed to other users, and started by root, Pods run as another user: tasks there will fail. Open it with `chmod o+rX -R`",
                repository.folder.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_address_is_named() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ports = Ports::open(dir.path().join("ports.json"));
        let error = gateway_address(address, &ports, Progress)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--listen"),
            "{error}"
        );
        drop(held);
        assert_eq!(gateway_address(address, &ports, Progress).unwrap(), address);
    }

    #[test]
    fn port_zero_means_the_port_of_the_last_time() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        drop(held);
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::open(dir.path().join("ports.json"));
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        assert_eq!(gateway_address(any, &ports, Progress).unwrap(), any);
        ports.remember("gateway.url", address.port()).unwrap();
        assert_eq!(gateway_address(any, &ports, Progress).unwrap(), address);
    }

    #[test]
    fn a_sandbox_that_fails_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let fake = dir.path().join("bwrap");
        std::fs::copy("/bin/false", &fake).unwrap();
        std::os::unix::fs::PermissionsExt::set_mode(
            &mut std::fs::metadata(&fake).unwrap().permissions(),
            0o755,
        );
        let error = check_namespaces(&fake).unwrap_err().to_string();
        assert!(error.contains("--insecure-no-sandbox"), "{error}");
    }

    #[test]
    fn there_is_room_here() {
        let dir = tempfile::tempdir().unwrap();
        check_disk(dir.path(), Progress).unwrap();
    }
}
