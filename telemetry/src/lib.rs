//! What every program says about itself: its log, its spans, and the ids that join the two.
//!
//! A trace belongs to a task. It begins with the request that asked for the task, goes through the database and an annotation of the
//! `CodexTask` to the operator, and from there to the pod proxy, inside the token that it checks anyway. Much of it is known only
//! afterwards, from the record of the task, and an operator may have been replaced in between. So spans are not objects that live
//! while something happens: they are made when it is over, with ids that follow from the task ([`TraceContext::within`]), and whoever
//! makes them comes to the same ids.
//!
//! Where no collector is configured, ids are made all the same, because they are in the logs; nothing else happens.

mod context;
mod error;
mod export;
mod log;
mod metrics;
mod settings;
mod span;
mod tracer;

pub use context::TraceContext;
pub use error::TelemetryError;
pub use log::start_log;
pub use metrics::{METRICS_CONTENT_TYPE, encode, register, register_span_counts};
pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanKind;
pub use span::Span;
pub use tracer::{Counts, Tracer};
