//! Requests and answers, below what they mean.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, header};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::ClientError;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer that is not a stream may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Adds a path to the address of a gateway.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url
}

/// A client that never follows redirects: a token must not be sent elsewhere.
pub(super) fn http_client(url: &Url) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("codex-remote/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        // Nothing needs the machine's certificates then, and there may be none.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(url) {
        // An HTTP_PROXY of the environment means other machines.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|source| ClientError::Unreachable {
        url: url.to_string(),
        source,
    })
}

/// Whether an address is this machine's.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Sends a request to the gateway at `url`.
pub(super) async fn send(url: &Url, request: RequestBuilder) -> Result<Response, ClientError> {
    let sent = request.send().await;
    sent.map_err(|source| ClientError::Unreachable {
        url: url.to_string(),
        source: source.without_url(),
    })
}

/// Reads the body of an answer.
pub(super) async fn read_json<T: DeserializeOwned>(
    url: &Url,
    response: Response,
) -> Result<T, ClientError> {
    let unreachable = |source: reqwest::Error| ClientError::Unreachable {
        url: url.to_string(),
        source: source.without_url(),
    };
    let body = response.bytes().await.map_err(unreachable)?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Protocol {
        url: url.to_string(),
        what: error.to_string(),
    })
}

/// Turns every answer but a success into an error.
pub(super) async fn refuse_errors(url: &Url, response: Response) -> Result<Response, ClientError> {
    #[derive(Deserialize)]
    struct Envelope {
        error: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        code: String,
        message: String,
        request_id: Option<String>,
    }

    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await.unwrap_or_default();
    let Ok(Envelope { error }) = serde_json::from_slice(&body) else {
        // A proxy in between may answer for a gateway that is away; that passes.
        if status.is_server_error() {
            return Err(ClientError::Refused {
                status: status.as_u16(),
                code: "unavailable".to_owned(),
                message: format!("{url} is not available now; try again"),
                request_id: None,
                retry_after: retry_after.map(Duration::from_secs),
            });
        }
        return Err(ClientError::Protocol {
            url: url.to_string(),
            what: format!("status {status}"),
        });
    };
    Err(ClientError::Refused {
        status: status.as_u16(),
        code: error.code,
        message: error.message,
        request_id: error.request_id,
        retry_after: retry_after.map(Duration::from_secs),
    })
}
