//! The standard variables of OpenTelemetry, as far as the exporter does not read them by itself.

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use crate::TelemetryError;

/// How long the collector may take for an answer, in milliseconds.
const DEFAULT_TIMEOUT_MS: u64 = 10_000;

/// Where spans go.
pub(crate) struct Settings {
    /// What comes with every request; credentials, mostly. Those of `OTEL_EXPORTER_OTLP_HEADERS` the exporter reads itself.
    pub headers: HashMap<String, String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Whether the collector is reached without TLS.
    pub is_plain: bool,
    /// Whether the collector is on this machine.
    pub is_near: bool,
    /// Whether the environment names the program.
    pub is_named: bool,
}

impl Settings {
    /// `None` when nothing is to be sent: `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` are not set, or
    /// `OTEL_SDK_DISABLED` or `OTEL_TRACES_EXPORTER` say so.
    ///
    /// # Errors
    /// [`TelemetryError::Setting`] and [`TelemetryError::File`].
    pub fn from_env() -> Result<Option<Self>, TelemetryError> {
        let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
        let Some(endpoint) = endpoint.filter(|_| !is_off) else {
            return Ok(None);
        };
        let url: reqwest::Url = endpoint.parse().map_err(|error| TelemetryError::Setting {
            name: "OTEL_EXPORTER_OTLP_ENDPOINT",
            expected: format!("write an address such as http://127.0.0.1:4318 ({error})"),
        })?;
        let is_web = matches!(url.scheme(), "http" | "https");
        if !is_web || !url.username().is_empty() || url.password().is_some() {
            return Err(TelemetryError::Setting {
                name: "OTEL_EXPORTER_OTLP_ENDPOINT",
                expected: "write an http:// or https:// address, and credentials into OTEL_EXPORTER_OTLP_HEADERS_FILE".to_owned(),
            });
        }
        for name in [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        ] {
            if set(name).is_some_and(|protocol| protocol != "http/protobuf") {
                return Err(TelemetryError::Setting {
                    name,
                    expected: "only http/protobuf is built in, usually at port 4318".to_owned(),
                });
            }
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
        Ok(Some(Self {
            headers: headers_from_file()?,
            timeout: timeout()?,
            is_plain: url.scheme() == "http",
            is_near: host == "localhost" || host.parse().is_ok_and(is_loopback),
            is_named: set("OTEL_SERVICE_NAME").is_some(),
        }))
    }
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn timeout() -> Result<Duration, TelemetryError> {
    let name = "OTEL_EXPORTER_OTLP_TIMEOUT";
    let milliseconds = match set(name) {
        None => DEFAULT_TIMEOUT_MS,
        Some(text) => text.parse().map_err(|_| TelemetryError::Setting {
            name,
            expected: "write a number of milliseconds".to_owned(),
        })?,
    };
    Ok(Duration::from_millis(milliseconds))
}

fn headers_from_file() -> Result<HashMap<String, String>, TelemetryError> {
    let name = "OTEL_EXPORTER_OTLP_HEADERS_FILE";
    let Some(path) = set(name) else {
        return Ok(HashMap::new());
    };
    let text =
        std::fs::read_to_string(path).map_err(|source| TelemetryError::File { name, source })?;
    headers(&text).ok_or_else(|| TelemetryError::Setting {
        name,
        expected: "write NAME=VALUE, with commas or line ends between several".to_owned(),
    })
}

/// `authorization=Bearer abc,x-team=blue`, where line ends are as good as commas.
fn headers(text: &str) -> Option<HashMap<String, String>> {
    text.split([',', '\n', '\r'])
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            http::HeaderName::try_from(name).ok()?;
            http::HeaderValue::try_from(value).ok()?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs() {
        let read = headers("authorization=Bearer a=b , x-team = blue\n\nx=1\n").unwrap();
        assert_eq!(read["authorization"], "Bearer a=b");
        assert_eq!((read["x-team"].as_str(), read["x"].as_str()), ("blue", "1"));
        for bad in ["authorization", "a b=c", "a=b\u{1}"] {
            assert_eq!(headers(bad), None, "{bad:?}");
        }
        assert!(headers("").unwrap().is_empty());
    }
}
