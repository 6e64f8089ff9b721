//! What stays of a task besides its output: its session, and the record of a long log.

use std::time::Duration;

use codex_tasklog::Artifact;

use crate::error::RunnerError;
use crate::output::Writer;
use crate::pod_proxy::TransferError;
use crate::run::Task;
use crate::session;
use crate::shutdown::Phase;

/// How long something may take to be handed in when nobody waits for the end.
const LIMIT: Duration = Duration::from_secs(60);

/// Why something does not stay.
enum Loss {
    /// Nothing is kept here, which the operator knows.
    Intended,
    /// For the user.
    Failed(String),
}

impl From<TransferError> for Loss {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::NotKept => Self::Intended,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Loss {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Task<'_> {
    /// Brings the session of the task that this one continues, if it does. Answers with its thread.
    pub(crate) async fn resume(&self) -> Result<Option<String>, RunnerError> {
        let Some(earlier) = &self.config.resume_from else {
            return Ok(None);
        };
        let lost = |problem: String| RunnerError::Session {
            task: earlier.clone(),
            problem,
        };
        let packed = self.pod_proxy.session().await;
        let packed = packed.map_err(|error| lost(error.to_string()))?;
        let home = self.config.codex_home.clone();
        let unpacked = blocking(move || session::unpack(packed, &home)).await;
        let thread = unpacked.map_err(|error| lost(error.to_string()))?;
        Ok(Some(thread))
    }

    /// Hands the session in, so that another task can go on from here.
    pub(crate) async fn keep_session(&self, thread: &str) {
        let keeping = async {
            let (home, temporary) = (
                self.config.codex_home.clone(),
                self.config.temporary.clone(),
            );
            let thread = thread.to_owned();
            let packed = blocking(move || session::pack(&home, &thread, &temporary)).await?;
            if let Some(packed) = packed {
                let put = self
                    .pod_proxy
                    .put(Artifact::Session, &packed.file, packed.size);
                put.await?;
            }
            Ok(())
        };
        if let Err(Loss::Failed(problem)) = self.in_time(Phase::Session, keeping).await {
            let message = format!("the task cannot be continued, its session is lost: {problem}");
            self.output.warn(&message).await;
        }
    }

    /// Hands the record of the log in when the log is so long that the container's own may have lost its beginning. Answers with the
    /// number of the last frame in it.
    pub(crate) async fn keep_log(&self, writer: &Writer) -> Option<u64> {
        let record = tokio::select! {
            record = writer.record() => record?,
            () = self.shutdown.over(Phase::Record) => return None,
        };
        if record.written <= self.config.log_budget || self.config.spool_limit == 0 {
            return None;
        }
        let keeping = async {
            let outcome = record.spool.map_err(Loss::Failed)?;
            let spooled = outcome.await.unwrap_or_else(|gone| Err(gone.to_string()));
            let spooled = spooled.map_err(Loss::Failed)?;
            let put = self
                .pod_proxy
                .put(Artifact::Frames, &spooled.file, spooled.size);
            Ok(put.await?)
        };
        match self.in_time(Phase::Record, keeping).await {
            Ok(()) => Some(record.last),
            Err(Loss::Intended) => None,
            Err(Loss::Failed(problem)) => {
                let message = format!(
                    "there is no second record of this long log, in case that the first one has gaps: {problem}"
                );
                self.output.warn(&message).await;
                None
            }
        }
    }

    async fn in_time(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<(), Loss>>,
    ) -> Result<(), Loss> {
        tokio::select! {
            result = work => result,
            () = self.shutdown.over(phase) => {
                Err(Loss::Failed("the task had to stop before it was handed in".to_owned()))
            }
            () = tokio::time::sleep(LIMIT) => {
                Err(Loss::Failed(format!("it took more than {} s", LIMIT.as_secs())))
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
