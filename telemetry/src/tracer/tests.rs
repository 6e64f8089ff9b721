use std::time::SystemTime;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::watch;

use super::*;

/// Takes nothing until it is told to.
#[derive(Debug)]
struct Stuck(watch::Receiver<bool>);

impl SpanExporter for Stuck {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        let _ = self.0.clone().wait_for(|is_free| *is_free).await;
        Ok(())
    }
}

fn tracer(exporter: impl SpanExporter + 'static) -> Tracer {
    Tracer::over(exporter, &Resource::builder().build(), "test")
}

#[test]
fn without_a_collector_there_are_ids_and_no_spans() {
    let off = Tracer::off();
    let context = off.begin(None);
    assert!(!context.is_sampled());
    assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    let child = off.begin(Some(context));
    assert_eq!(child.trace_id(), context.trace_id());
    assert_ne!(child, context);
    off.record(Span::new(context, None, "x", SystemTime::now()));
    assert_eq!(off.counts(), Counts::default());
}

#[test]
fn the_parent_decides_and_without_one_the_sampler() {
    let (_free, is_free) = watch::channel(true);
    let tracer = tracer(Stuck(is_free));
    let first = tracer.begin(None);
    assert!(first.is_sampled());
    let unsampled = TraceContext {
        is_sampled: false,
        ..first
    };
    assert!(!tracer.begin(Some(unsampled)).is_sampled());
    let task = tracer.derive(None, "uid", "task");
    assert_eq!(task, tracer.derive(None, "uid", "task"));
    assert!(task.is_sampled() && task.trace_id() != first.trace_id());
}

#[test]
fn a_collector_that_takes_nothing_holds_nothing_up() {
    let (free, is_free) = watch::channel(false);
    let tracer = tracer(Stuck(is_free));
    let context = tracer.begin(None);
    for _ in 0..QUEUE * 2 {
        tracer.record(Span::new(context, None, "x", SystemTime::now()));
    }
    assert_eq!(tracer.counts().dropped, QUEUE as u64);
    free.send_replace(true);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(tracer.shut_down());
    assert_eq!(tracer.counts().sent, QUEUE as u64);
}
