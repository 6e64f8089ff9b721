//! Reasons in a task's status: one word a machine can match on. The message beside it tells a person what to do.

/// Codex ended with exit code 0.
pub const COMPLETED: &str = "Completed";
/// Codex ended with another exit code.
pub const EXIT_CODE: &str = "ExitCode";
/// The time limit of the task ended it.
pub const TIMEOUT: &str = "Timeout";
/// A user canceled the task.
pub const CANCELED: &str = "Canceled";
/// The memory limit ended it.
pub const OOM_KILLED: &str = "OOMKilled";
/// The node evicted the Pod.
pub const EVICTED: &str = "Evicted";
/// The node is gone.
pub const NODE_LOST: &str = "NodeLost";
/// The image of the runner cannot be pulled.
pub const IMAGE_PULL: &str = "ImagePull";
/// No node has room for the Pod.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// The runner ended without saying how Codex ended.
pub const RUNNER_LOST: &str = "RunnerLost";
/// The Pod disappeared: somebody deleted it.
pub const POD_DELETED: &str = "PodDeleted";
/// The task itself disappeared from Kubernetes before it ended: somebody deleted it.
pub const TASK_DELETED: &str = "TaskDeleted";
/// The API server or an admission policy refuses the task itself.
pub const TASK_REJECTED: &str = "TaskRejected";
/// The API server or an admission policy refuses the Pod.
pub const POD_REJECTED: &str = "PodRejected";
/// `cwd` is outside the allow-list, or is no directory.
pub const INVALID_CWD: &str = "InvalidCwd";
/// A variable in `env` is not allowed.
pub const INVALID_ENV: &str = "InvalidEnv";
/// The workspace could not be prepared.
pub const WORKSPACE: &str = "Workspace";
/// The session that the task continues is not there, or is none.
pub const SESSION_MISSING: &str = "SessionMissing";
/// The codex binary could not be started.
pub const CODEX_MISSING: &str = "CodexMissing";
/// Codex was ended by a signal that nobody here sent.
pub const CODEX_CRASHED: &str = "CodexCrashed";
/// The log arrived incomplete, or its hash is wrong.
pub const LOG_INCOMPLETE: &str = "LogIncomplete";
/// The task waits: its user has as many running tasks as allowed.
pub const USER_LIMIT: &str = "UserLimit";
/// The task waits: the cluster has as many running tasks as allowed.
pub const GLOBAL_LIMIT: &str = "GlobalLimit";
/// The task waits: the stores of logs are away, and what they have to take fills the operator's spool.
pub const STORAGE_PRESSURE: &str = "StoragePressure";
/// The Pod of the task has scheduling gates: Kueue, or whoever put them there, has yet to let it go.
pub const SCHEDULING_GATED: &str = "SchedulingGated";
/// The scheduling gates of the Pod are gone, and a node is looked for.
pub const SCHEDULING: &str = "Scheduling";
/// The task has its turn.
pub const ADMITTED: &str = "Admitted";
/// The store for archives cannot be reached.
pub const STORAGE_UNAVAILABLE: &str = "StorageUnavailable";
/// The store for archives takes the log again, and it is not complete there yet.
pub const UPLOADING: &str = "Uploading";
/// The log is in the archive.
pub const ARCHIVED: &str = "Archived";
/// The repository of the task is a folder of the node, which the operator does not permit.
pub const HOST_PATH_FORBIDDEN: &str = "HostPathForbidden";
/// The runner runs.
pub const RUNNING: &str = "Running";
/// `spec.cancel` was set.
pub const CANCEL: &str = "Cancel";
/// The CodexTask is being deleted.
pub const DELETED: &str = "Deleted";

/// All of them.
const ALL: [&str; 34] = [
    COMPLETED,
    EXIT_CODE,
    TIMEOUT,
    CANCELED,
    OOM_KILLED,
    EVICTED,
    NODE_LOST,
    IMAGE_PULL,
    UNSCHEDULABLE,
    RUNNER_LOST,
    POD_DELETED,
    TASK_DELETED,
    TASK_REJECTED,
    POD_REJECTED,
    INVALID_CWD,
    INVALID_ENV,
    WORKSPACE,
    SESSION_MISSING,
    CODEX_MISSING,
    CODEX_CRASHED,
    LOG_INCOMPLETE,
    USER_LIMIT,
    GLOBAL_LIMIT,
    STORAGE_PRESSURE,
    SCHEDULING_GATED,
    SCHEDULING,
    ADMITTED,
    STORAGE_UNAVAILABLE,
    UPLOADING,
    ARCHIVED,
    HOST_PATH_FORBIDDEN,
    RUNNING,
    CANCEL,
    DELETED,
];

/// The reason as one of a known few, for labels of metrics and attributes of spans: the word in a status may come from the image of
/// the runner.
#[must_use]
pub fn label(reason: &str) -> &'static str {
    ALL.into_iter()
        .find(|known| *known == reason)
        .unwrap_or("Other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reason_is_left_out() {
        let constants = include_str!("reasons.rs")
            .lines()
            .filter(|line| line.starts_with("pub const "))
            .count();
        assert_eq!(ALL.len(), constants);
        assert_eq!(label("ExitCode"), EXIT_CODE);
        assert_eq!(label("made-up"), "Other");
    }
}
