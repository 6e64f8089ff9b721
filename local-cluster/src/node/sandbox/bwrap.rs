//! bubblewrap's command line for a container.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::plan::{ContainerPlan, Mount};
use super::{seccomp, staging};

/// Where the error messages of bubblewrap itself begin (`--level-prefix`), on the container's standard error.
pub const MESSAGE_PREFIX: &str = "<3>bwrap: ";

/// A command line, and the descriptors that it names. They are inherited by the next program that is executed.
#[derive(Debug)]
pub struct CommandLine {
    /// Arguments after the program's name. Everything secret is behind `--args FD`, out of sight of `ps`.
    pub arguments: Vec<String>,
    /// Sources for [`staging::stage`], when the shim is root.
    pub sources: Vec<(PathBuf, Option<PathBuf>)>,
    /// Keeps the descriptors open.
    pub descriptors: Vec<OwnedFd>,
}

/// Builds the command line of a container.
///
/// # Errors
/// Fails when a bind source cannot be opened (unprivileged nodes only; root opens them while staging), when a string
/// holds a NUL, or memory for the descriptors is missing.
pub fn command_line(
    plan: &ContainerPlan,
    stage: Option<&Path>,
    status: &OwnedFd,
    block: Option<&File>,
) -> io::Result<CommandLine> {
    let mut builder = Builder {
        options: Vec::new(),
        sources: Vec::new(),
        descriptors: Vec::new(),
        stage,
    };
    builder.options([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--new-session",
        "--as-pid-1",
        "--clearenv",
        "--level-prefix",
    ]);
    builder.options([
        "--uid",
        &plan.uid.to_string(),
        "--gid",
        &plan.gid.to_string(),
    ]);
    builder.options(["--hostname", &plan.hostname, "--chdir", &plan.working_dir]);
    for mount in &plan.mounts {
        builder.mount(mount)?;
    }
    for (name, value) in &plan.env {
        builder.options(["--setenv", name, value]);
    }
    for program in seccomp::programs().map_err(io::Error::other)? {
        let descriptor = builder.data(&program)?;
        builder.options(["--add-seccomp-fd", &descriptor]);
    }
    builder.options(["--json-status-fd", &status.as_raw_fd().to_string()]);
    if let Some(block) = block {
        builder.options(["--block-fd", &block.as_raw_fd().to_string()]);
    }

    let mut options = Vec::new();
    for option in std::mem::take(&mut builder.options) {
        if option.contains('\0') {
            return Err(io::Error::other(
                "an environment variable, path or name of the container holds a NUL byte",
            ));
        }
        options.extend_from_slice(option.as_bytes());
        options.push(0);
    }
    let descriptor = builder.data(&options)?;
    let mut arguments = vec!["--args".to_owned(), descriptor, "--".to_owned()];
    arguments.extend(plan.argv.iter().cloned());
    Ok(CommandLine {
        arguments,
        sources: builder.sources,
        descriptors: builder.descriptors,
    })
}

struct Builder<'a> {
    options: Vec<String>,
    sources: Vec<(PathBuf, Option<PathBuf>)>,
    descriptors: Vec<OwnedFd>,
    stage: Option<&'a Path>,
}

impl Builder<'_> {
    fn options<const N: usize>(&mut self, options: [&str; N]) {
        self.options.extend(options.map(str::to_owned));
    }

    /// A descriptor to read `bytes` from. Not close-on-exec: bubblewrap inherits it, reads it and closes it.
    fn data(&mut self, bytes: &[u8]) -> io::Result<String> {
        let mut file = File::from(memfd_create(c"codex-sandbox", MFdFlags::empty())?);
        file.write_all(bytes)?;
        file.rewind()?;
        let number = file.as_raw_fd().to_string();
        self.descriptors.push(file.into());
        Ok(number)
    }

    fn mount(&mut self, mount: &Mount) -> io::Result<()> {
        match mount {
            Mount::Bind {
                source,
                sub_path,
                target,
                read_only,
            } => self.bind(source, sub_path.as_deref(), target, *read_only)?,
            Mount::Tmpfs { target, size, mode } => {
                self.options(["--perms", &octal(*mode)]);
                if let Some(size) = size {
                    self.options(["--size", &size.to_string()]);
                }
                self.options(["--tmpfs", target]);
            }
            Mount::Seal { target } => self.options(["--remount-ro", target]),
            Mount::Dir { target, mode } => {
                self.options(["--perms", &octal(*mode), "--dir", target]);
            }
            Mount::Symlink { to, target } => self.options(["--symlink", to, target]),
            Mount::File {
                target,
                content,
                mode,
            } => {
                let descriptor = self.data(content)?;
                self.options(["--perms", &octal(*mode), "--file", &descriptor, target]);
            }
            Mount::Proc => self.options(["--proc", "/proc"]),
            Mount::Dev => self.options(["--dev", "/dev"]),
        }
        Ok(())
    }

    fn bind(
        &mut self,
        source: &Path,
        sub_path: Option<&Path>,
        target: &str,
        read_only: bool,
    ) -> io::Result<()> {
        if let Some(stage) = self.stage {
            let staged = stage
                .join(self.sources.len().to_string())
                .display()
                .to_string();
            self.sources
                .push((source.to_owned(), sub_path.map(Path::to_owned)));
            self.options([
                if read_only { "--ro-bind" } else { "--bind" },
                &staged,
                target,
            ]);
        } else {
            let opened = staging::open_source(source, sub_path)?;
            rustix::io::fcntl_setfd(&opened, rustix::io::FdFlags::empty())?;
            let number = opened.as_raw_fd().to_string();
            self.descriptors.push(opened);
            self.options([
                if read_only {
                    "--ro-bind-fd"
                } else {
                    "--bind-fd"
                },
                &number,
                target,
            ]);
        }
        Ok(())
    }
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}
