//! What the user sees while things start: plain lines on standard error, which also read well in a log file.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// A step that takes longer than this says where to look.
const SLOW: Duration = Duration::from_secs(4);

/// Writes the lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress;

impl Progress {
    /// Writes one line.
    #[expect(
        clippy::unused_self,
        reason = "the receiver shows who may write to the terminal"
    )]
    pub fn line(self, text: impl AsRef<str>) {
        // A terminal that went away must not stop what runs.
        let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    /// Writes a line that the user should act on.
    pub fn warn(self, text: impl AsRef<str>) {
        self.line(format!("warning: {}", text.as_ref()));
    }

    /// Awaits `work` and writes how long it took. Steps run side by side, so the line is written when the step ends.
    ///
    /// # Errors
    /// That of the work.
    pub async fn step<T, E>(
        self,
        title: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begin = Instant::now();
        let mut work = std::pin::pin!(work);
        let result = match tokio::time::timeout(SLOW, &mut work).await {
            Ok(result) => result,
            Err(_) => {
                self.line(format!("starting {title} ... takes longer than usual"));
                work.await
            }
        };
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.line(format!(
            "starting {title} ... {outcome} ({:.1} s)",
            begin.elapsed().as_secs_f64()
        ));
        result
    }
}
