//! What a task leaves beside its log: files that its runner uploads through the pod proxy.
//!
//! ```text
//! tasks/<id>/artifacts/<name>
//! ```
//!
//! The names are a fixed list ([`Artifact`]), so that a task can neither fill the store with objects nor choose where they go.

mod spool;

pub use spool::{SpoolLimits, SpoolWriter, read_spool};

use crate::error::LogError;

/// A file that a task may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Artifact {
    /// The runner's own record of all frames before the end frame. It is there when the container's log may have been rotated
    /// before it was read; see [`End::spooled`](crate::End::spooled).
    Frames,
    /// The session of Codex, from which a later task can go on.
    Session,
}

impl Artifact {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Frames, Self::Session];

    /// The name in addresses and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames.ndjson.zst",
            Self::Session => "session.jsonl.zst",
        }
    }

    /// The artifact of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|artifact| artifact.name() == name)
    }

    /// The largest size in the store, in bytes.
    #[must_use]
    pub const fn max_bytes(self) -> u64 {
        match self {
            Self::Frames => 64 << 20,
            Self::Session => 32 << 20,
        }
    }

    /// The largest size of what comes out of it, in bytes. More than that is no artifact but an attack on whoever reads it.
    #[must_use]
    pub const fn max_text_bytes(self) -> u64 {
        match self {
            Self::Frames => 2 << 30,
            Self::Session => 256 << 20,
        }
    }

    /// Where the artifact of a task is in the store.
    ///
    /// # Errors
    /// [`LogError::InvalidTaskId`] when the id is none.
    pub fn key(self, task: &str) -> Result<String, LogError> {
        crate::check_task_id(task)?;
        Ok(format!("tasks/{task}/artifacts/{}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_list_and_ids_of_tasks_make_keys() {
        for artifact in Artifact::ALL {
            assert_eq!(Artifact::from_name(artifact.name()), Some(artifact));
            assert!(artifact.key("../t1").is_err() && artifact.key("a/b").is_err());
        }
        assert_eq!(
            Artifact::Frames.key("t1").unwrap(),
            "tasks/t1/artifacts/frames.ndjson.zst"
        );
        for name in [
            "",
            "session",
            "manifest.json",
            "../manifest.json",
            "frames.ndjson.zst/",
        ] {
            assert_eq!(Artifact::from_name(name), None, "{name}");
        }
    }
}
