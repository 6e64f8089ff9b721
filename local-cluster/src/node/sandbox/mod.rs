//! The sandbox of a container.
//!
//! The tool is [bubblewrap](https://github.com/containers/bubblewrap), for these reasons:
//!
//! - It is a static program that ships inside the codex npm package (`codex-resources/bwrap`), which every installation
//!   has anyway, and it is packaged by every distribution. Flatpak depends on it, so it is looked after.
//! - It needs no root, no daemon, no set-uid bit and no delegated control group: an unprivileged user namespace is
//!   enough. An OCI runtime as a library (libcontainer) brings bundles, control group managers and D-Bus; a sandbox
//!   library that filters system calls through libseccomp needs a C library at build time.
//! - What it does is a list of arguments, which a test can read and a person can repeat by hand.
//!
//! Two things it does not do are done here: the network namespace is made before it starts ([`netns`]), because the
//! listening sockets of the cluster's services must be put into it, and sources of binds are staged by root where the
//! unprivileged uid could not walk to them ([`staging`]).
//!
//! The layers of a container, from outside:
//!
//! 1. an unprivileged host uid, also when the node is root;
//! 2. the Pod's user namespace, which owns the Pod's network namespace (loopback only);
//! 3. bubblewrap's own user, mount, pid, ipc, uts and cgroup namespaces inside that. Because the network namespace
//!    belongs to the outer user namespace, no process in a container could change it, whatever capabilities it won;
//! 4. no capabilities, no new privileges, the filter of [`seccomp`].

pub mod bwrap;
pub mod cgroup;
pub mod netns;
pub mod plain;
pub mod plan;
pub mod process;
pub mod rootfs;
pub mod seccomp;
pub mod staging;
