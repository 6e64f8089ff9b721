//! The points at which the operator may die. Tests stop it there; in production nothing happens.

use std::sync::Arc;

use async_trait::async_trait;

/// A point between two steps whose effects both outlive the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// The task has the operator's finalizer.
    FinalizerAdded,
    /// The turn and the name of the Pod are recorded.
    AdmissionRecorded,
    /// The Secret exists.
    SecretApplied,
    /// The Pod exists.
    PodCreated,
    /// The start is recorded.
    StartRecorded,
    /// Frames are in the spool, and not in the live log.
    Spooled,
    /// Frames are in the live log, and in no chunk.
    Appended,
    /// The log has been read to its end.
    Concluded,
    /// A chunk is in the archive, and neither the live log nor the spool knows.
    ChunkUploaded,
    /// The manifest is in the archive, and has not been read back.
    ManifestWritten,
    /// The archive is complete.
    Archived,
    /// The final state is recorded.
    FinalRecorded,
    /// Pod and Secret are deleted.
    CleanedUp,
}

impl Checkpoint {
    /// All points, in the order of a task's life.
    pub const ALL: [Self; 13] = [
        Self::FinalizerAdded,
        Self::AdmissionRecorded,
        Self::SecretApplied,
        Self::PodCreated,
        Self::StartRecorded,
        Self::Spooled,
        Self::Appended,
        Self::Concluded,
        Self::ChunkUploaded,
        Self::ManifestWritten,
        Self::Archived,
        Self::FinalRecorded,
        Self::CleanedUp,
    ];
}

/// What happens at the points.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// Called at a point; a test lets it never return.
    async fn reached(&self, point: Checkpoint, task: &str);
}

/// Nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct GoOn;

#[async_trait]
impl Checkpoints for GoOn {
    async fn reached(&self, _: Checkpoint, _: &str) {}
}

/// What happens when nobody says otherwise.
#[must_use]
pub fn go_on() -> Arc<dyn Checkpoints> {
    Arc::new(GoOn)
}
