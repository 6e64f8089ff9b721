//! The loops that upstream runs in its controller manager and scheduler.
//!
//! Each one follows the storage, decides from the live objects, and can start anywhere: what it
//! missed while it was away it finds in the first look at everything.

mod content;
mod events;
mod feed;
mod gc;
mod scheduler;
mod volumes;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Api;

/// After a failure a controller looks at everything again, this much later.
const RETRY: Duration = Duration::from_secs(1);

/// Starts all of them; they end with the server.
pub(crate) fn start(api: &Arc<Api>, tasks: &TaskTracker) {
    supervise(api, tasks, "garbage collector", gc::run(Arc::clone(api)));
    supervise(
        api,
        tasks,
        "content of namespaces and definitions",
        content::run(Arc::clone(api)),
    );
    supervise(api, tasks, "scheduler", scheduler::run(Arc::clone(api)));
    supervise(api, tasks, "volumes", volumes::run(Arc::clone(api)));
    supervise(
        api,
        tasks,
        "expiry of events",
        events::expire(Arc::clone(api)),
    );
}

/// A controller that dies takes the server with it, for a cluster that quietly stops collecting or
/// scheduling is worse than one that is restarted.
fn supervise(
    api: &Arc<Api>,
    tasks: &TaskTracker,
    name: &'static str,
    controller: impl Future<Output = ()> + Send + 'static,
) {
    let api = Arc::clone(api);
    let task = tasks.spawn(controller);
    tasks.spawn(async move {
        let result = task.await;
        if !api.shutdown.is_cancelled() {
            tracing::error!(
                controller = name,
                ?result,
                "a controller ended; stopping the server"
            );
            api.shutdown.cancel();
        }
    });
}
