//! Why spans cannot be sent.

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable has a value that cannot be used. The value is not repeated: headers hold credentials.
    #[error("{name} cannot be used: {expected}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What it may be.
        expected: String,
    },
    /// A file that a variable names cannot be read.
    #[error("the file that {name} names cannot be read: {source}")]
    File {
        /// The variable.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The client for the collector cannot be made, for example because there are no root certificates.
    #[error("cannot set up the client for the OTLP collector: {0}")]
    Client(#[from] reqwest::Error),
    /// The exporter refuses its settings.
    #[error("cannot set up the OTLP exporter, check the OTEL_EXPORTER_OTLP_* variables: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}
