//! What can go wrong in the operator.

use std::path::PathBuf;

use codex_tasklog::LogError;

/// Why something failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API refused a request or could not be reached.
    #[error("the Kubernetes API: {}", describe(.0))]
    Kube(#[from] Box<kube::Error>),
    /// A key cannot be used.
    #[error("the key file {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key of tokens is none.
    #[error(
        "it is not an Ed25519 private key in PKCS 8 PEM form; make one with: openssl genpkey -algorithm ed25519"
    )]
    TokenKey,
    /// The key of nonces is too short.
    #[error("it must hold at least {0} random bytes; make one with: openssl rand -hex 32")]
    NonceKey(usize),
    /// There is no key of nonces.
    #[error("no key of nonces is configured; set CODEX_NONCE_KEY_FILE or CODEX_NONCE_KEY")]
    NoNonceKey,
    /// A token could not be signed.
    #[error("the token of the task cannot be signed: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The log store failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A socket cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The thread that keeps the Lease cannot be started.
    #[error("the thread that keeps the lease cannot be started: {0}")]
    LeaseThread(#[source] std::io::Error),
    /// The folder of the spool cannot be used.
    #[error("the folder {} for the spool cannot be used: {source}; name another one with CODEX_SPOOL_DIR", path.display())]
    Spool {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An object lacks what the API server always sets.
    #[error("a CodexTask came without {0}")]
    Incomplete(&'static str),
    /// A pass over a task took too long.
    #[error("the Kubernetes API did not answer in time")]
    Stalled,
    /// A part of the operator that must not end has ended.
    #[error("{0} ended unexpectedly; the operator stops so that it is started anew")]
    Ended(&'static str),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    /// Whether somebody else changed the object in between.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube(error)
            if matches!(&**error, kube::Error::Api(status) if status.is_conflict()))
    }
}

/// The text of an API error without its debug form.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            format!("{} ({} {})", status.message, status.code, status.reason)
        }
        other => other.to_string(),
    }
}
