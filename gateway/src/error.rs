//! Why the gateway cannot start, or has to stop.

use std::path::PathBuf;

/// Why the gateway cannot start, or has to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database is not one.
    #[error(
        "the database URL is malformed; write postgres://user:password@host:port/database (the URL itself is not shown, \
         because it may hold a password)"
    )]
    DatabaseUrl,
    /// The database does not answer.
    #[error(
        "the database cannot be reached; check CODEX_DATABASE_URL and that PostgreSQL is running"
    )]
    DatabaseAway(#[source] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error(
        "the database schema cannot be brought up to date; the gateway may be older than the database"
    )]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The database failed while the first administrator was made.
    #[error("the first administrator cannot be made")]
    Bootstrap(#[source] sqlx::Error),
    /// The password of the first administrator cannot be used.
    #[error("the first administrator's password cannot be used: {0}")]
    AdminPassword(String),
    /// Passwords cannot be hashed at all.
    #[error("passwords cannot be hashed on this machine: {0}")]
    Hashing(String),
    /// A file of the configuration cannot be read.
    #[error("{what} cannot be read from {}", path.display())]
    File {
        /// What it holds.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The signing key is not one.
    #[error("{} is not an Ed25519 private key; write one with: openssl genpkey -algorithm ed25519", path.display())]
    SigningKey {
        /// Which file.
        path: PathBuf,
    },
    /// No signing key was given.
    #[error("no signing key is configured; set CODEX_JWT_KEY_DIR or CODEX_JWT_KEY_FILE")]
    NoSigningKeys,
    /// There is no signing key at all.
    #[error("{} holds no key; write one to {}/1.pem with: openssl genpkey -algorithm ed25519", path.display(), path.display())]
    NoSigningKey {
        /// Which folder.
        path: PathBuf,
    },
    /// The provider of sign-ins cannot be used as it is configured.
    #[error("sign-in with CODEX_OIDC_ISSUER cannot be set up: {0}")]
    Oidc(String),
    /// A setting has a value that means nothing.
    #[error("{name} is {value:?}; {expected}")]
    Setting {
        /// The name of the variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The live store is not configured in a way that can work.
    #[error("CODEX_LIVE_STORE: {0}")]
    LiveStore(#[source] codex_tasklog::LogError),
    /// The address of Redis is not one.
    #[error("{name}: {source}")]
    Redis {
        /// The name of the variable.
        name: &'static str,
        /// Why not.
        #[source]
        source: codex_tasklog::LogError,
    },
    /// The configuration of the Kubernetes client is wrong.
    #[error("Kubernetes is not configured; set KUBECONFIG or run inside a cluster")]
    KubernetesConfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address to listen on is taken or not ours.
    #[error("cannot listen on {address}; choose another address with CODEX_LISTEN")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A part that should run for ever has ended.
    #[error("the {0} has ended; the gateway stops so that it is started again as a whole")]
    PartEnded(&'static str),
}
