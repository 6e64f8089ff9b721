//! What the tests share.

use std::time::Duration;

use codex_local_cluster::testing::Cluster;
use http::{Method, StatusCode};
use kube::Client;
use kube::config::Kubeconfig;
use serde_json::{Value, json};

/// Long enough for a busy machine; tests that pass never wait for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request and returns the status and the body, errors included.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (StatusCode, Vec<u8>) {
    let (parts, body) = send_full(client, method, path, headers, body).await;
    (parts.status, body)
}

/// The same with the head of the answer.
pub(crate) async fn send_full(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (http::response::Parts, Vec<u8>) {
    use http_body_util::BodyExt as _;
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(kube::client::Body::from(body.into()))
        .expect("a request");
    let answer = async {
        let (parts, body) = client.send(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        (parts, body)
    };
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| panic!("an answer in time: {path}"))
}

/// Sends JSON and reads JSON.
pub(crate) async fn call(
    client: &Client,
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let content = match method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let (status, bytes) = send(
        client,
        method,
        path,
        &[("content-type", content)],
        body.to_string(),
    )
    .await;
    let value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)));
    (status.as_u16(), value)
}

pub(crate) async fn get(client: &Client, path: &str) -> (u16, Value) {
    let (status, bytes) = send(client, Method::GET, path, &[], Vec::new()).await;
    (
        status.as_u16(),
        serde_json::from_slice(&bytes).expect("JSON"),
    )
}

pub(crate) async fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    call(client, Method::POST, path, body).await
}

pub(crate) async fn put(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    call(client, Method::PUT, path, body).await
}

pub(crate) async fn merge(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    call(client, Method::PATCH, path, body).await
}

pub(crate) async fn delete(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    call(client, Method::DELETE, path, body).await
}

/// Server-side apply.
pub(crate) async fn apply(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/apply-patch+yaml")];
    let (status, bytes) = send(client, Method::PATCH, path, &headers, body.to_string()).await;
    (
        status.as_u16(),
        serde_json::from_slice(&bytes).expect("JSON"),
    )
}

/// Polls until `check` gives something.
pub(crate) async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A watch whose lines are read one at a time.
pub(crate) struct WatchLines {
    lines: std::pin::Pin<Box<dyn futures::AsyncBufRead + Send>>,
}

impl WatchLines {
    pub(crate) async fn open(client: &Client, path: &str, accept: &str) -> Self {
        let request = http::Request::get(path)
            .header("accept", accept)
            .body(Vec::new())
            .expect("a request");
        let stream = client.request_stream(request).await.expect("a watch");
        Self {
            lines: Box::pin(stream),
        }
    }

    /// The next event; nothing at the end of the watch.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        use futures::AsyncBufReadExt as _;
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.lines.read_line(&mut line))
            .await
            .expect("an event in time")
            .expect("a readable watch");
        (read > 0).then(|| serde_json::from_str(&line).expect("a line of JSON"))
    }

    /// The next event's type and object.
    pub(crate) async fn event(&mut self) -> (String, Value) {
        let event = self.next().await.expect("one more event");
        (
            event["type"].as_str().expect("a type").to_owned(),
            event["object"].clone(),
        )
    }
}

pub(crate) fn rv(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|v| v.parse().ok())
        .unwrap_or_else(|| panic!("no resource version: {object}"))
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "codex-runner:local"}]},
    })
}

/// A definition with a spec, a status, columns, rules.
pub(crate) fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.example.com"},
        "spec": {
            "group": "test.example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["toys"]},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "additionalPrinterColumns": [
                    {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
                    {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "A widget for tests.",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "description": "What the widget should be.",
                            "required": ["color"],
                            "properties": {
                                "color": {"type": "string", "enum": ["red", "green", "blue"], "description": "The paint."},
                                "size": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9},
                                "cancel": {"type": "boolean", "default": false},
                            },
                            "x-kubernetes-validations": [
                                {"rule": "!oldSelf.cancel || self.cancel", "message": "cancel cannot be undone"},
                            ],
                        },
                        "status": {
                            "type": "object",
                            "properties": {
                                "phase": {"type": "string"},
                                "conditions": {"type": "array", "items": {
                                    "type": "object",
                                    "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                                }},
                            },
                        },
                    },
                }},
            }],
        },
    })
}

pub(crate) fn widget(name: &str, color: &str) -> Value {
    json!({
        "apiVersion": "test.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"color": color},
    })
}

pub(crate) const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(crate) const WIDGETS: &str = "/apis/test.example.com/v1/namespaces/default/widgets";
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";

/// A cluster that knows widgets.
pub(crate) async fn with_widgets() -> (Cluster, Client) {
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    let (code, answer) = post(&client, CRDS, &widgets()).await;
    assert_eq!(code, 201, "{answer}");
    (cluster, client)
}

/// A client from a kubeconfig with changes, such as another token.
pub(crate) async fn custom_client(
    kubeconfig: &std::path::Path,
    change: impl FnOnce(&mut Kubeconfig, &mut kube::Config),
) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let mut config = kube::Config::new("https://127.0.0.1".parse().expect("an address"));
    change(&mut kubeconfig, &mut config);
    let retry = config.default_retry;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default())
        .await
        .expect("a valid kubeconfig");
    config.default_retry = retry;
    Client::try_from(config).expect("a client")
}
