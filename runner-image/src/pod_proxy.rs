//! The pod-proxy as the runner itself uses it: what the task leaves goes there, and the session of an earlier task comes from there.

use std::fs::File;
use std::io::Seek as _;
use std::time::Duration;

use bytes::Bytes;
use codex_tasklog::Artifact;
use futures::TryStreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::config::Config;

/// How long it may take until the pod-proxy takes a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one try may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a transfer is tried.
const ATTEMPTS: u32 = 6;
/// The pause after the first try. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How much of a file is sent at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// The longest answer that says why something was refused.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The pod-proxy, with the token of the task.
#[derive(Debug)]
pub struct PodProxy {
    client: Client<HttpConnector, Body>,
    base: Uri,
    authorization: HeaderValue,
}

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The pod-proxy has no archive, so nothing is kept here.
    #[error("the pod proxy keeps no artifacts")]
    NotKept,
    /// The pod-proxy said no.
    #[error("{message} ({status})")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Why, in its words.
        message: String,
    },
    /// There was no whole answer.
    #[error("the pod proxy cannot be reached: {0}")]
    Broken(String),
}

impl TransferError {
    /// Whether another try may succeed.
    fn may_pass(&self) -> bool {
        match self {
            Self::NotKept => false,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            Self::Broken(_) => true,
        }
    }

    fn broken(error: impl std::error::Error) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::Broken(text)
    }
}

impl PodProxy {
    /// The pod-proxy of a task. Nothing is sent yet.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn new(config: &Config) -> std::io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: config.pod_proxy.clone(),
            authorization: authorization(&config.token)?,
        })
    }

    /// Hands an artifact in: the `size` bytes of a file.
    ///
    /// # Errors
    /// [`TransferError`] when the last try failed.
    pub async fn put(
        &self,
        artifact: Artifact,
        file: &File,
        size: u64,
    ) -> Result<(), TransferError> {
        let path = format!("/artifacts/{}", artifact.name());
        let attempt = async || {
            let mut file = file.try_clone().map_err(TransferError::broken)?;
            file.rewind().map_err(TransferError::broken)?;
            let chunks = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK_BYTES);
            let body = StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync();
            let mut request = self.request(Method::PUT, &path, body)?;
            request.headers_mut().insert(CONTENT_LENGTH, size.into());
            self.send(request).await.map(|_| ())
        };
        repeat(attempt).await
    }

    /// The compressed session of the task that this one continues.
    ///
    /// # Errors
    /// [`TransferError`] when the last try failed.
    pub async fn session(&self) -> Result<Bytes, TransferError> {
        let limit = usize::try_from(Artifact::Session.max_bytes()).unwrap_or(usize::MAX);
        let attempt = async || {
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let request = self.request(Method::GET, "/artifacts/session", body)?;
            let response = self.send(request).await?;
            collect(response, limit).await
        };
        repeat(attempt).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Request<Body>, TransferError> {
        let uri = endpoint(&self.base, path).map_err(TransferError::broken)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        Ok(request)
    }

    /// Sends a request; an answer that is a refusal becomes an error.
    async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<hyper::body::Incoming>, TransferError> {
        let response = self.client.request(request).await;
        let response = response.map_err(TransferError::broken)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = collect(response, MAX_REFUSAL_BYTES).await?;
        let refusal: Option<Refusal> = serde_json::from_slice(&text).ok();
        Err(match refusal.map(|refusal| refusal.error) {
            Some(error) if error.code == "no_archive" => TransferError::NotKept,
            Some(error) => TransferError::Refused {
                status,
                message: error.message,
            },
            None => TransferError::Refused {
                status,
                message: "the pod proxy did not say why".to_owned(),
            },
        })
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: String,
}

async fn collect(
    response: Response<hyper::body::Incoming>,
    limit: usize,
) -> Result<Bytes, TransferError> {
    let body = Limited::new(response.into_body(), limit).collect().await;
    let body = body.map_err(|error| {
        let problem = match error.downcast_ref::<LengthLimitError>() {
            Some(_) => format!("the answer is longer than {limit} bytes"),
            None => error.to_string(),
        };
        TransferError::Broken(problem)
    })?;
    Ok(body.to_bytes())
}

/// Tries until it succeeds, is refused for good, or was tried often enough.
async fn repeat<T>(
    attempt: impl AsyncFn() -> Result<T, TransferError>,
) -> Result<T, TransferError> {
    let mut pause = FIRST_PAUSE;
    for tried in 1.. {
        let result = tokio::time::timeout(ATTEMPT_TIMEOUT, attempt()).await;
        match result.unwrap_or_else(|elapsed| Err(TransferError::broken(elapsed))) {
            Err(error) if error.may_pass() && tried < ATTEMPTS => {}
            result => return result,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the last try returns")
}

/// An address of the pod-proxy.
///
/// # Errors
/// When the path is none.
pub fn endpoint(pod_proxy: &Uri, path: &str) -> Result<Uri, hyper::http::Error> {
    let mut parts = pod_proxy.clone().into_parts();
    let path = format!("{}{path}", pod_proxy.path().trim_end_matches('/'));
    parts.path_and_query = Some(path.parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// The header with the token of the task. Its debug form does not show it.
///
/// # Errors
/// When the token cannot stand in a header.
pub fn authorization(token: &SecretString) -> std::io::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| std::io::Error::other("CODEX_TASK_TOKEN is no text for a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
