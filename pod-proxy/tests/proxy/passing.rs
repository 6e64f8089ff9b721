//! What passes, and how.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use crate::support::{Limits, Proxy, REAL_KEY, client, eventually, refusal, upstream::Upstream};
use futures::{StreamExt, future::join_all, stream};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::test]
async fn headers_pass_but_for_credentials_and_connection_matters() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let request = proxy
        .request("ok")
        .header("x-codex-turn-metadata", "{}")
        .header("cookie", "c=1");
    let response = request
        .header("openai-project", "another")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-1");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(response.text().await.unwrap(), "data: fine\n\n");

    let seen = upstream.last();
    assert_eq!(seen.headers["x-codex-turn-metadata"], "{}");
    assert_eq!(seen.headers["host"], address.to_string());
    assert_eq!(seen.headers["content-length"], "2");
    assert!(!seen.headers.contains_key("cookie") && !seen.headers.contains_key("openai-project"));
}

#[tokio::test]
async fn nothing_else_is_served() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    for path in [
        "/",
        "/v1/models",
        "/v1/responses/",
        "/v1/responses/r-1",
        "/v1/files",
        "/metrics",
        "/healthz",
    ] {
        let url = format!("http://{}{path}", proxy.address);
        let response = client()
            .post(url)
            .bearer_auth(proxy.token("task-1"))
            .send()
            .await
            .unwrap();
        let (status, code, _) = refusal(response).await;
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
    }
    let url = format!("http://{}/v1/responses", proxy.address);
    let response = client()
        .get(url)
        .bearer_auth(proxy.token("task-1"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(refusal(response).await.1, "method_not_allowed");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_response_streams_while_it_is_made() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let mut response = proxy.request("two-chunks").send().await.unwrap();
    // The upstream sends the second chunk only after the first has arrived here.
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    upstream.go_on.notify_one();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn large_bodies_pass_up_to_the_limit() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let limit = 1 << 20;
    let response = proxy
        .request("ok")
        .body(vec![b'x'; limit])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), upstream.last().body_length),
        (200, limit)
    );

    let response = proxy
        .request("ok")
        .body(vec![b'x'; limit + 1])
        .send()
        .await
        .unwrap();
    let (status, code, message) = refusal(response).await;
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    assert!(message.contains(&limit.to_string()));
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn the_limit_holds_for_bodies_of_unknown_length() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let chunks = |count| {
        let chunk = Ok::<_, Infallible>(vec![b'x'; 1 << 16]);
        reqwest::Body::wrap_stream(stream::repeat(chunk).take(count))
    };
    let response = proxy.request("ok").body(chunks(16)).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), upstream.last().body_length),
        (200, 1 << 20)
    );
    let response = proxy.request("ok").body(chunks(17)).send().await.unwrap();
    assert_eq!(refusal(response).await.1, "body_too_large");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn errors_of_the_model_api_pass_as_they_are() {
    let (address, _upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    for status in [400, 403, 429, 500, 503] {
        let response = proxy
            .request(&format!("status {status}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["retry-after"], "7");
        assert!(response.text().await.unwrap().starts_with("the body of"));
    }
    eventually(
        "they count as complete, though nobody asks for their end",
        async || {
            let metrics = proxy.metrics().await;
            metrics.contains("responses_ended_total{end=\"complete\"} 5")
        },
    )
    .await;
}

#[tokio::test]
async fn a_refused_key_is_not_blamed_on_the_task() {
    let (address, _upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let (status, code, message) = refusal(proxy.request("refused").send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (502, "upstream_key_refused"));
    assert!(!message.contains("no such key"));
}

#[tokio::test]
async fn a_response_that_breaks_does_not_look_complete() {
    let (address, _upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let mut response = proxy.request("abort").send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    assert!(response.chunk().await.is_err());
    eventually("it is counted", async || {
        proxy
            .metrics()
            .await
            .contains("responses_ended_total{end=\"upstream_broke\"} 1")
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work_upstream() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let mut response = proxy.request("endless").send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    eventually("the stream upstream ends", async || upstream.busy() == 0).await;

    let waiting = tokio::spawn(proxy.request("silent").send());
    eventually("the request is upstream", async || upstream.busy() == 1).await;
    waiting.abort();
    eventually("the request upstream ends", async || upstream.busy() == 0).await;
    let metrics = proxy.metrics().await;
    assert!(
        metrics.contains("responses_ended_total{end=\"client_left\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("responses_active 0"), "{metrics}");
}

#[tokio::test]
async fn a_missing_model_api_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(address).await;
    let (status, code, message) = refusal(proxy.request("ok").send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (503, "upstream_unavailable"));
    assert!(!message.contains(&address.to_string()));
}

#[tokio::test]
async fn silence_is_given_up_on() {
    let (address, upstream) = Upstream::start().await;
    let limits = Limits {
        idle: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = Proxy::start_with(address, limits).await;
    let (status, code, _) = refusal(proxy.request("silent").send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (504, "upstream_timeout"));

    let mut response = proxy.request("two-chunks").send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    assert!(response.chunk().await.is_err());
    eventually("nothing is left upstream", async || upstream.busy() == 0).await;
}

#[tokio::test]
async fn a_task_cannot_take_all_the_room() {
    let (address, upstream) = Upstream::start().await;
    let limits = Limits {
        max_requests_per_task: 2,
        ..Limits::default()
    };
    let proxy = Proxy::start_with(address, limits).await;
    let streams = join_all((0..2).map(|_| proxy.request("endless").send())).await;
    let response = proxy.request("ok").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await.1, "too_many_requests");
    assert_eq!(
        proxy
            .request_of("task-2", "ok")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    drop(streams);
    eventually("there is room again", async || {
        upstream.busy() == 0 && proxy.request("ok").send().await.unwrap().status() == 200
    })
    .await;
}

#[tokio::test]
async fn the_demo_model_works_behind_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await;
    let options = codex_demo_model::Options {
        key: Some(codex_demo_model::ApiKey::new(REAL_KEY)),
        ..codex_demo_model::Options::default()
    };
    tokio::spawn(codex_demo_model::serve(
        listener,
        options,
        proxy.shutdown.clone(),
    ));
    let input = json!([{"type": "message", "role": "user", "content": "[demo:say hello]"}]);
    let body = json!({"model": "gpt-5.5", "stream": true, "input": input}).to_string();
    let response = proxy.request("none").body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(
        text.contains("hello") && text.contains("event: response.completed"),
        "{text}"
    );
}

#[tokio::test]
async fn the_key_is_in_no_answer() {
    let (address, _upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    for behaviour in ["ok", "refused", "status 500", "abort"] {
        let response = proxy.request(behaviour).send().await.unwrap();
        let headers = format!("{:?}", response.headers());
        let body = response
            .bytes_stream()
            .filter_map(async |chunk| chunk.ok().map(Vec::from))
            .concat()
            .await;
        assert!(!headers.contains(REAL_KEY) && !String::from_utf8_lossy(&body).contains(REAL_KEY));
    }
}
