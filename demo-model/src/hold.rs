//! Answers that wait, so that whoever shows or tests something has all the time it takes in the middle of it.

use std::path::PathBuf;
use std::time::Duration;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A file that holds answers back. While it is there, with a number N in it, turns in which tools have returned N results or more get
/// no answer, and of `[demo:messages]` no more than N are said.
#[derive(Clone, Debug)]
pub struct Hold(PathBuf);

impl Hold {
    /// The file need not be there yet.
    #[must_use]
    pub const fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Waits until nothing holds a turn that has come this far. It goes on when the file cannot be read, or has no number in it.
    pub(crate) async fn wait(&self, steps: usize) {
        while let Ok(text) = tokio::fs::read_to_string(&self.0).await
            && let Ok(most) = text.trim().parse::<usize>()
            && steps >= most
        {
            tokio::time::sleep(LOOK).await;
        }
    }
}
