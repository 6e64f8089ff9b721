//! JSON that is meant to hurt whoever reads it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{assert_well, exchange, statuses};
use crate::support::world::World;

fn post(path: &str, token: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_meant_to_hurt_is_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let token = admin.token.as_deref().unwrap();
    let with = |field: &str| format!("{{\"prompt\":\"x\",{field}}}").into_bytes();
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let nested = |inner: &[u8]| [b"{\"prompt\":", inner, b"}"].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("arrays in arrays", deep("[", "]", 200_000)),
        ("objects in objects", deep("{\"a\":", "}", 200_000)),
        ("arrays that never end", b"[".repeat(500_000)),
        ("arrays for a prompt", nested(&deep("[", "]", 200_000))),
        (
            "objects for a prompt",
            nested(&deep("{\"a\":", "}", 100_000)),
        ),
        ("one prompt and another", with("\"prompt\":\"y\"")),
        (
            "one prompt and another, spelt otherwise",
            with("\"\\u0070rompt\":\"y\""),
        ),
        ("a prototype", with("\"__proto__\":{\"admin\":true}")),
        ("a field of the database", with("\"user_id\":\"0\"")),
        (
            "a number past all numbers",
            with("\"timeout_seconds\":1e999"),
        ),
        (
            "a number of many digits",
            with(&format!("\"timeout_seconds\":{}", "9".repeat(100_000))),
        ),
        (
            "one more than fits",
            with("\"timeout_seconds\":9223372036854775808"),
        ),
        ("half a second", with("\"timeout_seconds\":1.5")),
        ("not a number", with("\"timeout_seconds\":NaN")),
        ("infinity", with("\"timeout_seconds\":-Infinity")),
        ("a number in words", with("\"timeout_seconds\":\"60\"")),
        ("half a character", with("\"model\":\"\\ud800\"")),
        (
            "half a character in the prompt",
            b"{\"prompt\":\"\\ud800\"}".to_vec(),
        ),
        (
            "bytes that are no text",
            b"{\"prompt\":\"\xff\xfe\"}".to_vec(),
        ),
        ("a NUL", b"{\"prompt\":\"\\u0000\"}".to_vec()),
        (
            "a control character as it is",
            b"{\"prompt\":\"\x01\"}".to_vec(),
        ),
        (
            "a mark before the text",
            b"\xef\xbb\xbf{\"prompt\":\"x\"}".to_vec(),
        ),
        ("something after the text", b"{\"prompt\":\"x\"}{}".to_vec()),
        ("a comment", b"{\"prompt\":\"x\"/**/}".to_vec()),
        (
            "UTF-16",
            "{\"prompt\":\"x\"}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
    ];
    for (what, body) in cases {
        let answer = exchange(&world, post("/api/tasks", token, "", &body)).await;
        assert!(
            matches!(statuses(&answer)[..], [400 | 422]),
            "{what}: {}",
            answer.chars().take(600).collect::<String>()
        );
        // The whole input does not come back.
        assert!(answer.len() < 4_000, "{what}: {} bytes", answer.len());
        let (_, envelope) = answer.split_once("\r\n\r\n").unwrap();
        let envelope: Value = serde_json::from_str(envelope).unwrap();
        assert!(envelope["error"]["code"].is_string(), "{what}: {envelope}");
    }
    assert_eq!(admin.get("/api/tasks").await.body["total"], 0);
    assert_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_as_long_as_it_is() {
    let world = World::start_with(|setup| setup.settings.max_body = 100_000).await;
    let admin = world.admin().await;
    let token = admin.token.as_deref().unwrap();
    // Chunks do not say beforehand how many there are.
    let mut chunks = String::new();
    for _ in 0..40 {
        write!(chunks, "2710\r\n{}\r\n", " ".repeat(10_000)).unwrap();
    }
    let request = format!(
        "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    );
    let answer = exchange(&world, request).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    // Nobody waits for a body that is refused by its length.
    let announced = format!(
        "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: 100000000000\r\n\r\n"
    );
    let answer = exchange(&world, announced).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    // What is small as it comes and large as it is meant is not unpacked.
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56];
        let header = format!("content-encoding: {encoding}\r\n");
        let answer = exchange(&world, post("/api/tasks", token, &header, &packed)).await;
        assert!(
            matches!(statuses(&answer)[..], [400 | 415]),
            "{encoding}: {answer}"
        );
    }
    assert_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_carries_no_header() {
    let world = World::start().await;
    let admin = world.admin().await;
    let token = admin.token.as_deref().unwrap();
    let evil = "x%0d%0aset-cookie:%20a=b%0d%0a%0d%0a%3Cscript%3E";
    for request in [
        format!("GET /api/tasks?cursor={evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /api/tasks?status={evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /api/tasks?limit={evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /api/audit?target=task:{evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /{evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /auth/oidc/login?return_to={evil} HTTP/1.1\r\nhost: x\r\n"),
        format!("GET /auth/oidc/callback?error={evil}&state={evil} HTTP/1.1\r\nhost: x\r\n"),
        "GET /api/tasks HTTP/1.1\r\nhost: x\r\nx-request-id: a%0d%0aset-cookie: b\r\n".to_owned(),
        "GET /api/me HTTP/1.1\r\nhost: x\r\nx-request-id: <script>\r\n".to_owned(),
        "GET /api/me HTTP/1.1\r\nhost: x\r\norigin: https://evil.example\r\n".to_owned(),
    ] {
        let request =
            format!("{request}authorization: Bearer {token}\r\nconnection: close\r\n\r\n");
        let answer = exchange(&world, &request).await;
        assert_eq!(statuses(&answer).len(), 1, "{request}{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(!head.contains("set-cookie"), "{request}{answer}");
        assert!(!head.contains("<script"), "{request}{answer}");
        assert!(!head.contains("access-control-allow"), "{request}{answer}");
        // Where something is told back, it is JSON and nothing that a browser would run.
        if body.contains("<script") {
            assert!(head.contains("content-type: application/json"), "{answer}");
            assert!(head.contains("nosniff"), "{answer}");
        }
    }
}
