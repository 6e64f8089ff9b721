//! Counting what the operator asks of the API server: it reaches the server through this relay, which adds the administrator's credentials.
//!
//! The server's own counters (`apiserver_request_total`) do not say who asked. This one does, and the report compares both where only the
//! operator asks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use kube::Client;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// No object is larger.
const MOST_BYTES: usize = 4 << 20;

/// What was asked, as `(verb, resource)`, and how often.
pub(crate) type Calls = BTreeMap<(&'static str, String), u64>;

/// The relay. It ends with this value.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Calls>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Passage {
    client: Client,
    seen: Arc<Mutex<Calls>>,
}

impl Relay {
    /// Starts it.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start(client: Client) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::default();
        let passage = Passage {
            client,
            seen: Arc::clone(&seen),
        };
        let router = Router::new().fallback(pass).with_state(passage);
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It never ends by itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            seen,
            _server: server,
        })
    }

    /// What was asked until now.
    pub(crate) fn calls(&self) -> Calls {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What was asked in between.
pub(crate) fn since(before: &Calls, after: &Calls) -> Calls {
    after
        .iter()
        .map(|(call, count)| (call.clone(), count - before.get(call).unwrap_or(&0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

async fn pass(State(passage): State<Passage>, request: Request) -> Response {
    let call = classify(&request);
    *passage
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(call)
        .or_default() += 1;
    let (mut parts, body) = request.into_parts();
    // The client puts its own there.
    parts.headers.remove(header::HOST);
    let body = match to_bytes(body, MOST_BYTES).await {
        Ok(body) => kube::client::Body::from(Vec::from(body)),
        Err(error) => return (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response(),
    };
    let request = http::Request::from_parts(parts, body);
    match passage.client.send(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// The verb of Kubernetes, and the resource with its subresource.
fn classify(request: &Request) -> (&'static str, String) {
    let segments: Vec<&str> = request
        .uri()
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let rest = match segments.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return ("get", request.uri().path().to_owned()),
    };
    let rest = match rest {
        ["namespaces", _, inside @ ..] if !inside.is_empty() => inside,
        other => other,
    };
    let resource = match rest {
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
        [] => "discovery".to_owned(),
    };
    let query = request.uri().query().unwrap_or_default();
    let applies = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch"));
    let verb = match *request.method() {
        Method::GET
            if query
                .split('&')
                .any(|pair| ["watch=true", "watch=1"].contains(&pair)) =>
        {
            "watch"
        }
        Method::GET if rest.len() < 2 => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH if applies => "apply",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    (verb, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart() {
        let call = |method: &str, uri: &str, kind: &str| {
            let request = http::Request::builder()
                .method(method)
                .uri(uri)
                .header(header::CONTENT_TYPE, kind)
                .body(Body::empty())
                .unwrap();
            let (verb, resource) = classify(&request);
            format!("{verb} {resource}")
        };
        let json = "application/json";
        let tasks = "/apis/codexrunner.io/v1alpha1/namespaces/codex-tasks/codextasks";
        let pods = "/api/v1/namespaces/codex-tasks/pods";
        assert_eq!(
            call("GET", &format!("{tasks}?limit=500"), json),
            "list codextasks"
        );
        assert_eq!(
            call("GET", &format!("{tasks}?a=b&watch=true"), json),
            "watch codextasks"
        );
        assert_eq!(call("GET", &format!("{tasks}/a"), json), "get codextasks");
        let apply = "application/apply-patch+yaml";
        assert_eq!(
            call("PATCH", &format!("{tasks}/a/status?x=y"), apply),
            "apply codextasks/status"
        );
        assert_eq!(call("POST", pods, json), "create pods");
        assert_eq!(
            call("GET", &format!("{pods}/a/log?follow=true"), json),
            "get pods/log"
        );
        assert_eq!(
            call("GET", "/api/v1/namespaces/codex-tasks", json),
            "get namespaces"
        );
        assert_eq!(call("GET", "/version", json), "get /version");
    }

    #[test]
    fn differences_leave_out_what_did_not_happen() {
        let before = Calls::from([
            (("get", "pods".to_owned()), 2),
            (("list", "pods".to_owned()), 1),
        ]);
        let mut after = before.clone();
        *after.get_mut(&("get", "pods".to_owned())).unwrap() = 5;
        assert_eq!(
            since(&before, &after),
            Calls::from([(("get", "pods".to_owned()), 3)])
        );
    }
}
