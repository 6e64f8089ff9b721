//! What can go wrong, and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why `up` did not come up. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The home folder is not known.
    #[error(transparent)]
    NoHome(#[from] crate::data_dir::NoHome),
    /// Another `up` uses the data folder.
    #[error("another `codex-remote up`{} uses {}: stop it first, or name another folder with --data", .holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), .data.display())]
    Locked {
        /// The folder.
        data: PathBuf,
        /// Who holds it, when that can be told.
        holder: Option<u32>,
    },
    /// The address of the gateway is taken.
    #[error(
        "{address} is in use by another program: stop that one, or choose another address with --listen"
    )]
    AddressTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The address of the gateway cannot be listened on.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Programs are missing.
    #[error("{0}")]
    Missing(String),
    /// The kernel forbids the namespaces that Pods are made of.
    #[error("{0}")]
    NoNamespaces(String),
    /// The disk is full.
    #[error("only {free_mib} MiB are free for {}: make room (at least {needed_mib} MiB), or name another folder with --data", .data.display())]
    DiskFull {
        /// The folder.
        data: PathBuf,
        /// What is free, in MiB.
        free_mib: u64,
        /// What is needed, in MiB.
        needed_mib: u64,
    },
    /// A `--repository` is not usable.
    #[error("--repository {given}: {reason}")]
    Repository {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No repository was given, and none is near.
    #[error(
        "no repository: name one with --repository PATH, start this inside a git work tree, or try the demo with --demo-model"
    )]
    NoRepository,
    /// A credentials file is not readable.
    #[error("{}: {reason}", .file.display())]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An option cannot be used.
    #[error("{0}")]
    Setting(String),
    /// PostgreSQL cannot be prepared.
    #[error("PostgreSQL: {0}")]
    Postgres(String),
    /// A part did not start.
    #[error("{title} did not start: {reason}\n{log}")]
    NotStarted {
        /// The part.
        title: &'static str,
        /// What happened.
        reason: String,
        /// The end of its log, and where the rest is.
        log: String,
    },
    /// An object of the cluster was refused.
    #[error("Kubernetes: {what}: {source}")]
    Kubernetes {
        /// What was tried.
        what: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// The kubeconfig is not usable.
    #[error("Kubernetes: {0}")]
    Kubeconfig(String),
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// The verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refused something that is not about a file.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A key could not be made.
    #[error("cannot make a key: {0}")]
    Key(String),
}

/// Turns an I/O error into one that names the file.
pub fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> UpError {
    let path = path.into();
    move |source| UpError::File {
        action,
        path,
        source,
    }
}
