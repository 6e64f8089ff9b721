//! Passing a request on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use codex_telemetry::Tracer;
use reqwest::Url;

use crate::{
    Config,
    error::ProxyError,
    headers,
    limits::{Permit, TaskLimits},
    metrics::{Metrics, Outcome},
    token::{self, TaskTokenKeys, TokenError},
    trace::ModelCall,
    tracked::{Exchange, TrackedBody},
    upload::{self, UploadError},
    watched::Watched,
};

/// Connections to the model API are given up after this time without a request: most servers close theirs after a minute,
/// and a request that meets a closing connection fails.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// What the handlers share.
pub(crate) struct Proxy {
    client: reqwest::Client,
    responses_url: Url,
    key: Watched<HeaderValue>,
    token_keys: Arc<Watched<TaskTokenKeys>>,
    limits: Arc<TaskLimits>,
    max_body_bytes: usize,
    metrics: Arc<Metrics>,
    tracer: Tracer,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiKeyError {
    #[error("it is empty; write the API key into it")]
    Empty,
    #[error("an API key is one line of printable ASCII characters")]
    Malformed,
}

impl Proxy {
    pub(crate) fn new(
        config: &Config,
        key: Watched<HeaderValue>,
        token_keys: Arc<Watched<TaskTokenKeys>>,
        metrics: Arc<Metrics>,
    ) -> reqwest::Result<Self> {
        Ok(Self {
            client: client(config)?,
            responses_url: responses_url(&config.upstream_url),
            key,
            token_keys,
            limits: Arc::new(TaskLimits::new(config.max_requests_per_task)),
            max_body_bytes: config.max_body_bytes,
            metrics,
            tracer: config.tracer.clone(),
        })
    }

    /// The routes that task Pods see, besides those of `others`.
    pub(crate) fn router(self: Arc<Self>, others: Router) -> Router {
        Router::new()
            .route(
                "/v1/responses",
                post(create_response).fallback(refuse_method),
            )
            .fallback(refuse_path)
            .with_state(self)
            .merge(others)
    }

    fn refuse(&self, error: ProxyError) -> Response {
        self.metrics.count(error.outcome());
        error.into_response()
    }

    /// Checks who asks and whether they may.
    fn admit(&self, headers: &HeaderMap) -> Result<(Permit, ModelCall), ProxyError> {
        let token = bearer(headers).ok_or(TokenError::Missing)?;
        let claims = token::verify(token, &self.token_keys.current())?;
        let limit = self.limits.limit();
        let permit = self
            .limits
            .acquire(&claims.sub)
            .ok_or(ProxyError::TooManyRequests { limit })?;
        Ok((permit, ModelCall::begin(&self.tracer, &claims)))
    }

    async fn forward(&self, request: Request) -> Result<Response, ProxyError> {
        let (permit, mut call) = self.admit(request.headers())?;
        let (head, body) = request.into_parts();
        let mut headers = headers::for_upstream(&head.headers);
        if let Some(length) = head.headers.get(header::CONTENT_LENGTH) {
            let limit = self.max_body_bytes;
            let bytes: Option<usize> = length.to_str().ok().and_then(|length| length.parse().ok());
            if bytes.is_none_or(|bytes| bytes > limit) {
                return Err(ProxyError::BodyTooLarge { limit });
            }
            headers.insert(header::CONTENT_LENGTH, length.clone());
        }
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::clone(&self.key.current()),
        );

        let started = Instant::now();
        let upload = reqwest::Body::wrap_stream(upload::limited(body, self.max_body_bytes));
        let sent = self
            .client
            .post(self.responses_url.clone())
            .headers(headers)
            .body(upload)
            .send()
            .await;
        let upstream = sent.map_err(|error| {
            let error = self.explain(error, permit.task());
            call.fail(error.code());
            error
        })?;
        self.metrics.answered(started.elapsed());

        let status = upstream.status();
        call.answered(status);
        if status == StatusCode::UNAUTHORIZED {
            // The API repeats parts of the key in its answer; and the task, whose own token is good, can do nothing.
            tracing::error!(
                task.id = permit.task(),
                "the model API refused the key; check the key file"
            );
            return Err(ProxyError::UpstreamKeyRefused);
        }
        self.metrics.count(match status {
            status if status.is_server_error() => Outcome::UpstreamServerError,
            status if status.is_client_error() => Outcome::UpstreamClientError,
            _ => Outcome::Passed,
        });
        let headers = headers::for_client(upstream.headers());
        let metrics = Arc::clone(&self.metrics);
        let body = TrackedBody::new(
            upstream,
            Exchange {
                permit,
                metrics,
                started,
                call,
            },
        );
        Ok((status, headers, Body::from_stream(body)).into_response())
    }

    /// Turns a failure to get an answer into what the task is told, and logs the cause.
    fn explain(&self, error: reqwest::Error, task: &str) -> ProxyError {
        // The address is the operator's business; it is in the configuration.
        let error = error.without_url();
        match UploadError::cause_of(&error) {
            Some(UploadError::TooLarge) => {
                return ProxyError::BodyTooLarge {
                    limit: self.max_body_bytes,
                };
            }
            Some(UploadError::Timeout | UploadError::Broken) => return ProxyError::UploadTimeout,
            None => {}
        }
        tracing::warn!(task.id = task, error = %Causes(&error), "no answer from the model API");
        if error.is_connect() {
            ProxyError::UpstreamUnavailable
        } else if error.is_timeout() {
            ProxyError::UpstreamTimeout
        } else {
            ProxyError::UpstreamFailed
        }
    }
}

async fn create_response(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    match proxy.forward(request).await {
        Ok(response) => response,
        Err(error) => proxy.refuse(error),
    }
}

async fn refuse_method(State(proxy): State<Arc<Proxy>>) -> Response {
    proxy.refuse(ProxyError::MethodNotAllowed { allow: "POST" })
}

async fn refuse_path(State(proxy): State<Arc<Proxy>>) -> Response {
    proxy.refuse(ProxyError::NotFound)
}

/// Reads the content of a key file as the header that carries it. The header's debug form does not show it.
pub(crate) fn parse_api_key(content: &[u8]) -> Result<HeaderValue, ApiKeyError> {
    let key = content.trim_ascii();
    if key.is_empty() {
        return Err(ApiKeyError::Empty);
    }
    if !key.iter().all(u8::is_ascii_graphic) {
        return Err(ApiKeyError::Malformed);
    }
    let mut value =
        HeaderValue::from_bytes(&[b"Bearer ", key].concat()).map_err(|_| ApiKeyError::Malformed)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn responses_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/responses", base.path().trim_end_matches('/')));
    url
}

/// Bytes must pass unchanged and once: no decompression, no redirects, no repetition.
fn client(config: &Config) -> reqwest::Result<reqwest::Client> {
    let url = &config.upstream_url;
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.upstream_connect_timeout)
        .read_timeout(config.upstream_idle_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if url.scheme() == "http" {
        // Nothing needs the machine's certificates then, and a container may have none.
        builder = builder.tls_certs_only([]);
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if loopback {
        // An HTTP_PROXY of the environment means other machines.
        builder = builder.no_proxy();
    } else if url.scheme() == "http" {
        tracing::warn!(
            "the API key travels unencrypted; use an https:// address for the model API"
        );
    }
    builder.build()
}

/// Shows an error with all its causes.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::iter::successors(self.0.source(), |error| error.source())
            .try_for_each(|error| write!(f, ": {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_added_and_the_query_kept() {
        for (base, url) in [
            (
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/responses",
            ),
            (
                "https://api.openai.com/v1/",
                "https://api.openai.com/v1/responses",
            ),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/responses"),
            (
                "https://x.example/openai?api-version=2",
                "https://x.example/openai/responses?api-version=2",
            ),
        ] {
            assert_eq!(responses_url(&base.parse().unwrap()).as_str(), url);
        }
    }

    #[test]
    fn a_key_is_one_word() {
        assert_eq!(
            parse_api_key(b" sk-1\n").unwrap().as_bytes(),
            b"Bearer sk-1"
        );
        assert!(!format!("{:?}", parse_api_key(b"sk-1").unwrap()).contains("sk-1"));
        assert!(matches!(parse_api_key(b" \n"), Err(ApiKeyError::Empty)));
        assert!(matches!(
            parse_api_key(b"sk-1\nsk-2"),
            Err(ApiKeyError::Malformed)
        ));
    }
}
