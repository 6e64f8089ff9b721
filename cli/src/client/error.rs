//! What can go wrong between here and the gateway, in words that say what to do. Causes are sources, not part of the text:
//! the program prints the whole chain.

use std::{io, path::PathBuf, time::Duration};

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There are no stored credentials and none in the environment.
    #[error(
        "not logged in; run `codex-remote login URL --email EMAIL`, or set CODEX_REMOTE_URL and CODEX_REMOTE_TOKEN"
    )]
    NotLoggedIn,
    /// The gateway does not take the token (any more).
    #[error(
        "the login has ended or is not valid ({message}); run `codex-remote login {url} --email EMAIL` again"
    )]
    Unauthorized {
        /// The gateway.
        url: String,
        /// What it said.
        message: String,
    },
    /// The address is none.
    #[error("{0:?} is not the address of a gateway; write it like https://codex.example.com")]
    BadUrl(String),
    /// The gateway cannot be reached.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The gateway.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The gateway refused.
    #[error("{message} ({code}, status {status}{})", request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// The human message.
        message: String,
        /// For the administrator.
        request_id: Option<String>,
        /// When the gateway wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The gateway answered something that is not in the contract.
    #[error(
        "{url} answered something that is not understood ({what}); is it a Codex Remote Runner gateway?"
    )]
    Protocol {
        /// The gateway.
        url: String,
        /// What was wrong.
        what: String,
    },
    /// The connection to a stream could not be had again for long.
    #[error("lost the connection to the gateway for too long")]
    LostStream(#[source] Box<Self>),
    /// A file of credentials cannot be read or written.
    #[error("cannot use {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The environment names no folder for the credentials.
    #[error("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the login")]
    NoConfigFolder,
    /// The terminal or a pipe broke.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl ClientError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// How long the gateway wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
