//! The server as any HTTP client sees it.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{io::Write, time::Duration};

use codex_demo_model::{ApiKey, Hold, Options, serve};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::Model;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

fn request(prompt: &str) -> Value {
    json!({"model": "gpt-5.5", "stream": true, "tools": [{"type": "function", "name": "exec_command"},
        {"type": "custom", "name": "apply_patch"}],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}]})
}

async fn post(model: &Model, key: Option<&str>, body: &Value) -> reqwest::Response {
    let mut request = client()
        .post(format!("http://{}/v1/responses", model.address))
        .json(body);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_key_is_asked_for() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "sk-right").unwrap();
    let key = Some(ApiKey::from_file(file.path()).unwrap());
    let model = Model::start(Options {
        key,
        ..Options::default()
    })
    .await;
    for (key, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("sk-wrong"), StatusCode::UNAUTHORIZED),
        (Some("sk-right"), StatusCode::OK),
    ] {
        let response = post(&model, key, &request("[demo:say hi]")).await;
        assert_eq!(response.status(), status);
        assert!(!response.text().await.unwrap().contains("sk-"));
    }
}

#[test]
fn a_key_file_must_hold_a_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(
        ApiKey::from_file(file.path())
            .unwrap_err()
            .to_string()
            .contains("it is empty")
    );
    assert!(!format!("{:?}", ApiKey::new("sk-secret")).contains("secret"));
}

#[tokio::test]
async fn bad_requests_are_told_why() {
    let model = Model::start(Options::default()).await;
    let response = post(&model, None, &json!({"model": "gpt-5.5", "input": []})).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("\"stream\": true")
    );

    let url = format!("http://{}/v1/models", model.address);
    assert_eq!(
        client().get(url).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let url = format!("http://{}/v1/responses", model.address);
    assert_eq!(
        client().get(url).send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn a_model_without_the_tools_gets_an_explanation() {
    let model = Model::start(Options::default()).await;
    let mut body = request("Do it.");
    body["tools"] = json!([]);
    body["model"] = json!("gpt-other");
    let text = post(&model, None, &body).await.text().await.unwrap();
    assert!(
        text.contains("gpt-other") && text.contains("gpt-5.5"),
        "{text}"
    );
}

#[tokio::test]
async fn a_dropped_stream_breaks_the_connection() {
    let model = Model::start(Options::default()).await;
    let response = post(&model, None, &request("[demo:drop]")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_for_slow_streams() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/responses", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Options::default(), shutdown.clone()));
    let body = request("[demo:messages 1000 60000]");
    let mut response = client().post(url).json(&body).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    while let Ok(chunk) = response.chunk().await {
        assert!(chunk.is_some(), "the stream must not look finished");
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let model = Model::start(Options::default()).await;
    let body = request("Go.");
    let (one, two) = tokio::join!(post(&model, None, &body), post(&model, None, &body));
    assert_eq!(one.text().await.unwrap(), two.text().await.unwrap());
}

#[tokio::test]
async fn answers_wait_while_they_are_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hold");
    std::fs::write(&file, "1").unwrap();
    let model = Model::start(Options {
        hold: Some(Hold::new(file.clone())),
        ..Options::default()
    })
    .await;
    let mut worked = request("Go.");
    // No tool has returned anything yet.
    assert_eq!(post(&model, None, &worked).await.status(), StatusCode::OK);

    let output = json!({"type": "function_call_output", "call_id": "1", "output": "done"});
    worked["input"].as_array_mut().unwrap().push(output);
    let mut held = std::pin::pin!(post(&model, None, &worked));
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut held).await;
    assert!(waited.is_err(), "the answer came");
    std::fs::remove_file(file).unwrap();
    assert_eq!(held.await.status(), StatusCode::OK);
}
