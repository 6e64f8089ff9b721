//! Names that are part of the contract between the components: labels, finalizers, annotations.

/// Label of everything that belongs to a task; its value is the task's id.
pub const TASK_LABEL: &str = "codexrunner.io/task";
/// Label that groups tasks by user without spelling out who it is.
pub const USER_HASH_LABEL: &str = "codexrunner.io/user-hash";
/// The usual label that names who manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`] on what the operator creates.
pub const OPERATOR_NAME: &str = "codex-operator";
/// Finalizer of the operator: the Pod is gone and the log is archived when it is removed.
pub const OPERATOR_FINALIZER: &str = "codexrunner.io/operator";
/// Finalizer of the gateway: the final state is in the database when it is removed.
pub const GATEWAY_FINALIZER: &str = "codexrunner.io/gateway";
/// Annotation that marks the repository that a task without `cwd` works in.
pub const DEFAULT_REPOSITORY_ANNOTATION: &str = "codexrunner.io/default";
/// Annotation of a task that carries the W3C `traceparent` of the request that made it.
pub const TRACEPARENT_ANNOTATION: &str = "codexrunner.io/traceparent";
/// Annotation that finishes a task although its log cannot be archived, when it is `true`.
pub const FORCE_FINISH_ANNOTATION: &str = "codexrunner.io/force-finish";

/// Label of Kueue that names the LocalQueue of a Pod.
pub const QUEUE_LABEL: &str = "kueue.x-k8s.io/queue-name";

/// The name of the Pod and of the Secret of a task.
#[must_use]
pub fn pod_name(task: &str) -> String {
    format!("codex-{task}")
}
