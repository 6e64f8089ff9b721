//! Files whose content may change while the program runs, such as mounted Secrets.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why a file cannot be used at the start.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content makes no sense.
    #[error("cannot use {path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The last good content of a file.
#[derive(Debug)]
pub(crate) struct Watched<T>(watch::Receiver<Arc<T>>);

impl<T> Watched<T> {
    /// What stays as it is.
    pub(crate) fn fixed(value: T) -> Self {
        Self(watch::channel(Arc::new(value)).1)
    }

    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

/// Reads a file, and returns its content with the future that keeps it up to date until `shutdown`.
///
/// The whole file is compared each time: it is small, and times and inodes tell little about the symbolic links by which
/// Kubernetes swaps Secrets. Content that cannot be used is reported once, and the last good one stays.
pub(crate) async fn watch<T, E: Display>(
    path: PathBuf,
    parse: fn(&[u8]) -> Result<T, E>,
    interval: Duration,
    shutdown: CancellationToken,
) -> Result<(Watched<T>, impl Future<Output = ()>), WatchError> {
    let mut seen = tokio::fs::read(&path)
        .await
        .map_err(|source| WatchError::Read {
            path: path.clone(),
            source,
        })?;
    let value = parse(&seen).map_err(|error| WatchError::Content {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let (sender, receiver) = watch::channel(Arc::new(value));
    let follow = async move {
        let mut readable = true;
        while shutdown
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            match tokio::fs::read(&path).await {
                Ok(content) if content == seen => readable = true,
                Ok(content) => {
                    readable = true;
                    match parse(&content) {
                        Ok(value) => {
                            sender.send_replace(Arc::new(value));
                            tracing::info!(file = %path.display(), "read a changed file again");
                        }
                        Err(error) => keep_old(&path, &error),
                    }
                    seen = content;
                }
                Err(error) => {
                    if std::mem::take(&mut readable) {
                        keep_old(&path, &error);
                    }
                }
            }
        }
    };
    Ok((Watched(receiver), follow))
}

fn keep_old(path: &Path, error: &dyn Display) {
    tracing::error!(file = %path.display(), %error, "cannot use the changed file; the old content stays in use");
}
