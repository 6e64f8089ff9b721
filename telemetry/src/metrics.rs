//! What a scrape gets.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Metric, Registry};

use crate::Tracer;

/// The form of [`encode`]: OpenMetrics, which every Prometheus since version 2.5 reads.
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Fate {
    fate: &'static str,
}

/// Registers a metric, and gives it back for counting.
pub fn register<M: Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// The text of several registries: those that stay, and one that was made for this scrape.
#[must_use]
pub fn encode(registries: &[&Registry]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for registry in registries {
        text::encode_registry(&mut out, registry).expect("writing to a String does not fail");
    }
    text::encode_eof(&mut out).expect("writing to a String does not fail");
    out
}

/// Adds what became of spans so far, as `trace_spans_total` under the prefix of the registry, where a collector is configured.
pub fn register_span_counts(registry: &mut Registry, tracer: &Tracer) {
    if !tracer.is_on() {
        return;
    }
    let counts = tracer.counts();
    let family = Family::<Fate, Counter>::default();
    for (fate, count) in [
        ("sent", counts.sent),
        ("failed", counts.failed),
        ("dropped", counts.dropped),
    ] {
        family.get_or_create(&Fate { fate }).inc_by(count);
    }
    registry.register("trace_spans", "Spans by what became of them", family);
}
