//! A task after its end, and what is expected of it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use codex_tasklog::{End, JoinedBody};
use serde_json::Value;

use super::{Log, Running, git};

/// A task that has ended.
pub struct Done {
    pub dir: PathBuf,
    pub log: Log,
    pub status: ExitStatus,
    pub stderr: String,
    pub took: Duration,
    pub running: Running,
}

impl Done {
    #[track_caller]
    pub fn end(&self) -> &End {
        match self.log.pieces.last().map(|piece| &piece.body) {
            Some(JoinedBody::End(end)) => end,
            other => panic!(
                "no end frame but {other:?}; status {:?}; stderr {}",
                self.status, self.stderr
            ),
        }
    }

    #[track_caller]
    pub fn assert_exit(&self, code: i32) {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{:?}\n{:?}\n{}",
            self.status.signal(),
            self.log.pieces,
            self.stderr
        );
    }

    #[track_caller]
    pub fn assert_end(&self, exit_code: Option<i32>, reason: Option<&str>) {
        let end = self.end();
        assert_eq!(
            (end.exit_code, end.reason.as_deref()),
            (exit_code, reason),
            "{end:?}\n{:?}",
            self.log.lines()
        );
    }

    /// The patch that the task left.
    #[track_caller]
    pub fn patch(&self) -> Value {
        let mut patches = self.log.events("runner.patch");
        assert_eq!(patches.len(), 1, "{:?}", self.log.pieces);
        patches.remove(0)
    }

    /// Applies the patch to a folder, which then has to be like the workspace.
    pub fn apply_patch(&self, to: &Path) {
        let file = self.dir.join("patch");
        fs::write(&file, self.patch()["patch"].as_str().unwrap()).unwrap();
        git(to, &["apply", file.to_str().unwrap()]);
    }
}
