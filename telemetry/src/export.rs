//! The way to the collector.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::TelemetryError;
use crate::settings::Settings;

/// How often a collector that is away is worth a line in the log.
const COMPLAINT_EVERY: Duration = Duration::from_secs(60);

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// Handed over, and neither sent nor lost yet.
    pub waiting: AtomicU64,
    pub sent: AtomicU64,
    /// The collector refused them or was away.
    pub failed: AtomicU64,
    /// There was no room for them.
    pub dropped: AtomicU64,
}

/// Counts what becomes of spans, and says so now and then.
#[derive(Debug)]
pub(crate) struct Counted<E> {
    pub exporter: E,
    pub fate: Arc<Fate>,
    complained: Mutex<Option<Instant>>,
}

impl<E> Counted<E> {
    pub(crate) fn new(exporter: E, fate: Arc<Fate>) -> Self {
        Self {
            exporter,
            fate,
            complained: Mutex::new(None),
        }
    }

    fn complain(&self, error: &dyn fmt::Display) {
        let mut complained = self
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINT_EVERY) {
            *complained = Some(Instant::now());
            tracing::warn!(
                %error,
                spans.failed = self.fate.failed.load(Ordering::Relaxed),
                spans.dropped = self.fate.dropped.load(Ordering::Relaxed),
                "spans cannot be sent to the collector; they are lost, and nothing else is held up"
            );
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let result = self.exporter.export(batch).await;
        self.fate.waiting.fetch_sub(count, Ordering::Relaxed);
        match &result {
            Ok(()) => {
                self.fate.sent.fetch_add(count, Ordering::Relaxed);
            }
            Err(error) => {
                self.fate.failed.fetch_add(count, Ordering::Relaxed);
                self.complain(error);
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The exporter that the settings ask for.
pub(crate) fn exporter(
    settings: Settings,
) -> Result<opentelemetry_otlp::SpanExporter, TelemetryError> {
    use opentelemetry_otlp::WithHttpConfig as _;

    let client = Client::new(&settings)?;
    let headers: HashMap<String, String> = settings.headers;
    Ok(opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_headers(headers)
        .build()?)
}

/// The HTTP client of the rest of the program. Spans are sent from a thread of their own, which is not one of the runtime, so the
/// requests are made there where the runtime is.
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new(settings: &Settings) -> Result<Self, TelemetryError> {
        let mut builder = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if settings.is_plain {
            // Nothing needs the machine's certificates then, and a container may have none.
            builder = builder.tls_certs_only([]);
        }
        if settings.is_near {
            // An HTTP_PROXY of the environment means other machines.
            builder = builder.no_proxy();
        }
        Ok(Self {
            client: builder.build()?,
            runtime: Handle::current(),
        })
    }
}

/// What is sent may carry credentials, and what prints this has no use for them.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let request = request.try_into()?;
            let response = client.execute(request).await?;
            let mut answer = http::Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.extend(response.headers().clone());
            }
            Ok::<_, reqwest::Error>((answer, response.bytes().await?))
        });
        // The address may be an internal one; it is in the configuration.
        let (answer, body) = sending.await?.map_err(reqwest::Error::without_url)?;
        Ok(answer.body(body)?)
    }
}
