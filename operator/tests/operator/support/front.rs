//! A hand between the operator and the API server. It plays what the local cluster does not have: rights that somebody takes away, and the
//! webhook of Kueue, which gates Pods that name a queue.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use http::StatusCode;
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const PODS: &str = "/api/v1/namespaces/codex-tasks/pods";
const QUEUE: &str = "/metadata/labels/kueue.x-k8s.io~1queue-name";

/// Ends when it is dropped.
pub struct Front {
    address: SocketAddr,
    state: Hand,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Hand {
    client: Client,
    /// Rights as `verb group/resource`.
    withheld: Arc<Mutex<HashSet<String>>>,
}

impl Front {
    pub async fn start(client: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Hand {
            client,
            withheld: Arc::default(),
        };
        let router = Router::new().fallback(pass).with_state(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            state,
            serving,
        }
    }

    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "a", "user": {}}],
        })
        .to_string()
    }

    /// From now on exactly these rights are missing.
    pub fn withhold(&self, rights: impl IntoIterator<Item = String>) {
        *self.state.withheld.lock().unwrap() = rights.into_iter().collect();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(hand): State<Hand>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let is_creation = parts.method == http::Method::POST;
    let mut body = axum::body::to_bytes(body, 1 << 22).await.unwrap();
    if is_creation && path == REVIEWS {
        let review: Value = serde_json::from_slice(&body).unwrap();
        if hand.withheld.lock().unwrap().contains(&right(&review)) {
            let mut answer = review;
            answer["status"] = json!({"allowed": false});
            return (StatusCode::CREATED, Json(answer)).into_response();
        }
    }
    if is_creation && path == PODS {
        let mut pod: Value = serde_json::from_slice(&body).unwrap();
        if pod.pointer(QUEUE).is_some() {
            pod["spec"]["schedulingGates"] = json!([{"name": "kueue.x-k8s.io/admission"}]);
            body = serde_json::to_vec(&pod).unwrap().into();
        }
    }
    parts.headers.remove(http::header::HOST);
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let request = http::Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    match hand.client.send(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

fn right(review: &Value) -> String {
    let attributes = &review["spec"]["resourceAttributes"];
    let text = |name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
    let subresource = match attributes["subresource"].as_str() {
        Some(subresource) => format!("/{subresource}"),
        None => String::new(),
    };
    format!(
        "{} {}/{}{subresource}",
        text("verb"),
        text("group"),
        text("resource")
    )
}
