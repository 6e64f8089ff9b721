//! The log: JSON on standard error.

use tracing_subscriber::EnvFilter;

/// Logs JSON to standard error; `RUST_LOG` says how much.
///
/// Every line has the fields of the innermost span, which are the ids of what it is about: `request.id`, `task.id`, `user.id` and
/// `trace_id`, under which the collector has the trace.
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // A request is one span; the list would only say the same again.
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
