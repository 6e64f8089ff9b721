//! The loops that upstream runs in its controller manager and scheduler.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::Api;

/// Starts all of them; they end with the server.
pub(crate) fn start(_api: &Arc<Api>, _tasks: &TaskTracker) {}
