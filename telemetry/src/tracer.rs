//! Decides which traces are sent, and sends their spans.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Config, SamplingDecision, ShouldSample, SpanExporter,
    SpanProcessor as _,
};

use crate::export::{self, Counted, Fate};
use crate::settings::Settings;
use crate::{Span, TelemetryError, TraceContext};

/// How many spans wait for the collector at most; further ones are dropped and counted.
const QUEUE: usize = 2048;
/// How long spans wait for others to go with them.
const DELAY: Duration = Duration::from_secs(2);
/// How long the last spans may take when the program ends.
const LAST: Duration = Duration::from_secs(3);

/// Makes ids, and sends spans where a collector is configured. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Sending>>);

struct Sending {
    sampler: Box<dyn ShouldSample>,
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    fate: Arc<Fate>,
}

/// What became of spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The collector has them.
    pub sent: u64,
    /// The collector refused them or was away.
    pub failed: u64,
    /// Too many were waiting already.
    pub dropped: u64,
}

impl Tracer {
    /// A tracer that sends nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// The tracer that the standard variables of OpenTelemetry ask for. `service` is what the program is called where
    /// `OTEL_SERVICE_NAME` says nothing. To be called on the runtime that lasts as long as the tracer, with a provider of cryptography
    /// installed.
    ///
    /// # Errors
    /// [`TelemetryError`] when a variable cannot be used.
    pub fn from_env(service: &'static str) -> Result<Self, TelemetryError> {
        let Some(settings) = Settings::from_env()? else {
            return Ok(Self::off());
        };
        let mut resource = Resource::builder();
        if !settings.is_named {
            resource = resource.with_service_name(service);
        }
        let exporter = export::exporter(settings)?;
        Ok(Self::over(exporter, &resource.build(), service))
    }

    fn over(
        exporter: impl SpanExporter + 'static,
        resource: &Resource,
        service: &'static str,
    ) -> Self {
        let fate = Arc::new(Fate::default());
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(DELAY)
            .build();
        let counted = Counted::new(exporter, Arc::clone(&fate));
        let mut processor = BatchSpanProcessor::new(counted, config);
        processor.set_resource(resource);
        Self(Some(Arc::new(Sending {
            // The SDK reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG here.
            sampler: Config::default().sampler,
            processor,
            scope: InstrumentationScope::builder(service)
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            fate,
        })))
    }

    /// A new span: part of `parent`, or the first one of a new trace.
    #[must_use]
    pub fn begin(&self, parent: Option<TraceContext>) -> TraceContext {
        let trace_id = parent.map_or_else(
            || TraceId::from_bytes(rand::random::<u128>().max(1).to_be_bytes()),
            |parent| parent.trace_id,
        );
        TraceContext {
            span_id: SpanId::from_bytes(rand::random::<u64>().max(1).to_be_bytes()),
            ..self.decide(parent, trace_id)
        }
    }

    /// A span whose ids follow from `seed` and `name`: part of `parent`, or the first one of the trace of that seed. Every tracer with
    /// the same sampler comes to the same answer, however often it is asked.
    #[must_use]
    pub fn derive(&self, parent: Option<TraceContext>, seed: &str, name: &str) -> TraceContext {
        let trace_id = parent.map_or_else(|| TraceContext::trace_of(seed), |it| it.trace_id);
        self.decide(parent, trace_id).within(seed, name)
    }

    /// Sends a span, if its trace is one of those that are sent. Never waits.
    pub fn record(&self, span: Span) {
        let Some(sending) = self.0.as_deref().filter(|_| span.context.is_sampled) else {
            return;
        };
        let fate = &sending.fate;
        if fate.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE as u64 {
            fate.waiting.fetch_sub(1, Ordering::Relaxed);
            fate.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let data = span.into_data(sending.scope.clone());
        sending.processor.on_end(data);
    }

    /// Whether a collector is configured.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What became of spans so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.as_ref().map_or_else(Counts::default, |sending| {
            let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            Counts {
                sent: read(&sending.fate.sent),
                failed: read(&sending.fate.failed),
                dropped: read(&sending.fate.dropped),
            }
        })
    }

    /// Sends what is left, for a few seconds at most. For the end of the program: what is recorded afterwards is lost.
    pub async fn shut_down(&self) {
        let Some(sending) = self.0.clone() else {
            return;
        };
        let flush = tokio::task::spawn_blocking(move || {
            sending.processor.shutdown_with_timeout(LAST).is_ok()
        });
        if !flush.await.unwrap_or(false) {
            tracing::warn!("the last spans could not be sent before the end");
        }
    }

    fn decide(&self, parent: Option<TraceContext>, trace_id: TraceId) -> TraceContext {
        let is_sampled = self.0.as_ref().is_some_and(|sending| {
            let parent =
                parent.map(|it| Context::new().with_remote_span_context(it.span_context(true)));
            let result = sending.sampler.should_sample(
                parent.as_ref(),
                trace_id,
                "",
                &SpanKind::Internal,
                &[],
                &[],
            );
            result.decision == SamplingDecision::RecordAndSample
        });
        TraceContext {
            trace_id,
            span_id: SpanId::INVALID,
            is_sampled,
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_on()).finish()
    }
}

#[cfg(test)]
mod tests;
