//! Bounds on what a task may say. The schema of the resource and the gateway use the same numbers.

/// The longest prompt, in characters of the schema and in bytes at the gateway: an object in etcd ends near 1.5 MiB, and
/// 256 KiB leaves room for the rest of it.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;
/// The longest `cwd`, in bytes: `PATH_MAX` of Linux.
pub const MAX_CWD_BYTES: usize = 4096;
/// How many environment variables a task may carry.
pub const MAX_ENV_VARS: usize = 64;
/// The longest value of an environment variable, in bytes.
pub const MAX_ENV_VALUE_BYTES: usize = 8192;
/// The longest name of a model.
pub const MAX_MODEL_BYTES: usize = 128;
/// The shortest time limit of a task, in seconds.
pub const MIN_TIMEOUT_SECONDS: i64 = 1;
/// The longest time limit of a task, in seconds: one day.
pub const MAX_TIMEOUT_SECONDS: i64 = 24 * 60 * 60;
/// The time limit of a task that names none, in seconds: one hour.
pub const DEFAULT_TIMEOUT_SECONDS: i64 = 60 * 60;
/// How long a finished task stays in Kubernetes when it names no time, in seconds. Its record in the gateway stays.
pub const DEFAULT_TTL_SECONDS: i64 = 60 * 60;
