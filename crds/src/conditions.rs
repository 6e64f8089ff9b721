//! Types of the conditions in a task's status.

/// The task has its turn: the limits of its user and of the cluster have room for it.
pub const ADMITTED: &str = "Admitted";
/// The Pod has been started.
pub const STARTED: &str = "Started";
/// The task has ended and its outcome stands in the status.
pub const FINISHED: &str = "Finished";
/// The complete log is in the archive.
pub const ARCHIVED: &str = "Archived";
/// Somebody wants the task to end: by `spec.cancel`, or by deleting it.
pub const CANCEL_REQUESTED: &str = "CancelRequested";
