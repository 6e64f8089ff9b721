//! What tasks leave, and what a task that continues another takes.

use std::{net::SocketAddr, path::PathBuf};

use codex_tasklog::Artifact;
use reqwest::{Method, RequestBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Limits, Proxy, claims, client, eventually, refusal};

const FRAMES: &str = "/artifacts/frames.ndjson.zst";
const SESSION: &str = "/artifacts/session.jsonl.zst";

/// No model is asked here.
fn no_model() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

fn request(proxy: &Proxy, method: Method, path: &str, token: &str) -> RequestBuilder {
    let url = format!("http://{}{path}", proxy.address);
    client().request(method, url).bearer_auth(token)
}

fn put(proxy: &Proxy, task: &str, path: &str) -> RequestBuilder {
    request(proxy, Method::PUT, path, &proxy.token(task))
}

fn take(proxy: &Proxy, resume: Option<&str>) -> RequestBuilder {
    let mut claims = claims("task-2");
    claims.resume = resume.map(str::to_owned);
    let token = proxy.sign(&claims);
    request(proxy, Method::GET, "/artifacts/session", &token)
}

fn stored(proxy: &Proxy, task: &str, artifact: Artifact) -> PathBuf {
    proxy.file("archive").join(artifact.key(task).unwrap())
}

#[tokio::test]
async fn a_task_leaves_artifacts_under_its_own_name_once() {
    let proxy = Proxy::start(no_model()).await;
    for (task, body) in [("task-1", "first"), ("task-2", "second")] {
        let answer = put(&proxy, task, FRAMES).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let file = stored(&proxy, task, Artifact::Frames);
        assert_eq!(std::fs::read_to_string(file).unwrap(), body);
    }
    // A repetition whose first answer got lost is fine, something else is not.
    let again = put(&proxy, "task-1", FRAMES).body("first");
    assert_eq!(again.send().await.unwrap().status(), 200);
    let other = put(&proxy, "task-1", FRAMES).body("forged").send().await;
    let (status, code, _) = refusal(other.unwrap()).await;
    assert_eq!((status, code.as_str()), (409, "artifact_exists"));
    let file = stored(&proxy, "task-1", Artifact::Frames);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "first");

    let metrics = proxy.metrics().await;
    for line in [
        "codex_pod_proxy_requests_total{outcome=\"artifact_kept\"} 3",
        "codex_pod_proxy_requests_total{outcome=\"refused\"} 1",
        "codex_pod_proxy_artifact_bytes_total 16",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn only_names_of_the_list_are_taken() {
    let proxy = Proxy::start(no_model()).await;
    for path in [
        "/artifacts/other",
        "/artifacts/manifest.json",
        "/artifacts/..%2fmanifest.json",
        "/artifacts/..%2F..%2Ftask-2%2Fartifacts%2Fframes.ndjson.zst",
    ] {
        let answer = put(&proxy, "task-1", path).body("x").send().await.unwrap();
        let (status, code, message) = refusal(answer).await;
        assert_eq!((status, code.as_str()), (404, "unknown_artifact"), "{path}");
        assert!(message.contains("session.jsonl.zst"), "{message}");
    }
    for path in ["/artifacts", "/artifacts/", "/artifacts/a/b"] {
        let answer = put(&proxy, "task-1", path).body("x").send().await.unwrap();
        assert_eq!(refusal(answer).await.1, "not_found", "{path}");
    }
    for (method, path, allow) in [
        (Method::GET, FRAMES, "PUT"),
        (Method::DELETE, FRAMES, "PUT"),
        (Method::PUT, "/artifacts/session", "GET"),
    ] {
        let token = proxy.token("task-1");
        let answer = request(&proxy, method, path, &token).body("x").send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["allow"], allow);
        assert_eq!(refusal(answer).await.1, "method_not_allowed");
    }
    assert!(!proxy.file("archive").exists(), "nothing was written");
}

#[tokio::test]
async fn tokens_of_others_and_of_ended_tasks_are_refused() {
    let proxy = Proxy::start(no_model()).await;
    let mut ended = claims("task-1");
    ended.exp -= 120;
    for (token, word) in [
        (proxy.sign(&ended), "expired"),
        ("x".into(), "not valid"),
        (proxy.sign(&claims("../task-1")), "not valid"),
    ] {
        for (method, path) in [(Method::PUT, FRAMES), (Method::GET, "/artifacts/session")] {
            let answer = request(&proxy, method, path, &token).body("x").send().await;
            let (status, code, message) = refusal(answer.unwrap()).await;
            assert_eq!((status, code.as_str()), (401, "unauthorized"));
            assert!(message.contains(word), "{message}");
        }
    }
    assert!(!proxy.file("archive").exists(), "nothing was written");
}

/// Sends the head of an upload, and answers with the connection and the head of the answer.
async fn announce(proxy: &Proxy, head: &str) -> (tokio::net::TcpStream, String) {
    let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let head = format!(
        "PUT {FRAMES} HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {}\r\n{head}\r\n",
        proxy.token("task-1")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    answer.truncate(length);
    (stream, String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn sizes_are_known_and_bounded_before_a_body_is_read() {
    let proxy = Proxy::start(no_model()).await;
    let limit = Artifact::Frames.max_bytes();
    for (head, status, code) in [
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            411,
            "length_required",
        ),
        ("content-length: 0\r\n".to_owned(), 400, "empty_artifact"),
        (
            format!("content-length: {}\r\n", limit + 1),
            413,
            "body_too_large",
        ),
    ] {
        let (_stream, answer) = announce(&proxy, &head).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(code), "{answer}");
    }
    // All the room is taken by a body of the largest size that never comes; when its sender goes, the next one has it.
    let head = format!("content-length: {limit}\r\nexpect: 100-continue\r\n");
    let (stalled, answer) = announce(&proxy, &head).await;
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
    let waiting = tokio::spawn(put(&proxy, "task-2", FRAMES).body("x").send());
    tokio::task::yield_now().await;
    drop(stalled);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 201);
    assert!(
        !stored(&proxy, "task-1", Artifact::Frames).exists(),
        "half a body is none"
    );
}

#[tokio::test]
async fn a_session_is_taken_only_by_the_task_that_continues_it() {
    let proxy = Proxy::start(no_model()).await;
    let kept = put(&proxy, "task-1", SESSION)
        .body("a session")
        .send()
        .await;
    assert_eq!(kept.unwrap().status(), 201);

    let answer = take(&proxy, Some("task-1")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-length"], "9");
    assert_eq!(answer.text().await.unwrap(), "a session");
    for (resume, status, code) in [
        (None, 403, "no_resume"),
        (Some("task-3"), 404, "no_session"),
        (Some("../task-1"), 401, "unauthorized"),
    ] {
        let answer = take(&proxy, resume).send().await.unwrap();
        let (found, word, _) = refusal(answer).await;
        assert_eq!((found, word.as_str()), (status, code), "{resume:?}");
    }
    eventually("the transfers are over", async || {
        let metrics = proxy.metrics().await;
        metrics.contains("{outcome=\"artifact_served\"} 1\n")
    })
    .await;
}

#[tokio::test]
async fn without_an_archive_and_with_a_broken_one_it_is_said() {
    let limits = Limits {
        archive: false,
        ..Limits::default()
    };
    let proxy = Proxy::start_with(no_model(), limits).await;
    let answer = put(&proxy, "task-1", FRAMES)
        .body("x")
        .send()
        .await
        .unwrap();
    let (status, code, message) = refusal(answer).await;
    assert_eq!((status, code.as_str()), (404, "no_archive"));
    assert!(message.contains("CODEX_ARCHIVE"), "{message}");

    let proxy = Proxy::start(no_model()).await;
    std::fs::write(proxy.file("archive"), "a file where a folder should be").unwrap();
    let answer = put(&proxy, "task-1", FRAMES)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    let (status, code, _) = refusal(answer).await;
    assert_eq!((status, code.as_str()), (503, "archive_unavailable"));
}
