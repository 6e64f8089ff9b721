//! Requests that two servers could read in two ways, and headers that are too much.

use super::{assert_well, exchange, statuses};
use crate::support::world::World;

/// A request that somebody would like to smuggle past a proxy.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_two_lengths_hides_no_request() {
    let world = World::start().await;
    let post = "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let length = SMUGGLED.len() + 5;
    // By the chunks the body is empty; by the length it is all that follows.
    for request in [
        format!(
            "{post}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "{post}transfer-encoding: chunked\r\ncontent-length: {length}\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
    ] {
        let answers = exchange(&world, &request).await;
        assert_eq!(statuses(&answers), [400], "{answers}");
        assert!(answers.contains("connection: close"), "{answers}");
    }
    // The same without chunks is two requests, and both are answered: it is the framing that counts.
    let honest = format!("{post}content-length: 2\r\n\r\n{{}}{SMUGGLED}");
    let honest = honest.replace(
        "healthz HTTP/1.1\r\n",
        "healthz HTTP/1.1\r\nconnection: close\r\n",
    );
    assert_eq!(statuses(&exchange(&world, honest).await), [422, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_clear_request_is_refused() {
    let world = World::start().await;
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\n{headers}\r\n{SMUGGLED}");
    let post = |headers: &str, body: &str| {
        format!(
            "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}{SMUGGLED}"
        )
    };
    let cases = [
        (
            "two lengths that differ",
            post("content-length: 2\r\ncontent-length: 3\r\n", "{}"),
        ),
        ("a list of lengths", post("content-length: 2, 3\r\n", "{}")),
        ("a length with a sign", post("content-length: +2\r\n", "{}")),
        ("a negative length", post("content-length: -2\r\n", "{}")),
        (
            "a length that is too large for a number",
            post("content-length: 99999999999999999999999\r\n", "{}"),
        ),
        (
            "an encoding after the chunks",
            post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
        (
            "an encoding that looks like chunks",
            post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunks in HTTP/1.0",
            post("transfer-encoding: chunked\r\n", "0\r\n\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1),
        ),
        (
            "a space before the colon",
            get("host: x\r\ncontent-length : 5\r\n"),
        ),
        (
            "a header that goes on in the next line",
            get("host: x\r\nx-request-id: a\r\n set-cookie: b\r\n"),
        ),
        (
            "a bare carriage return in a value",
            get("host: x\r\nx-request-id: a\rset-cookie: b\r\n"),
        ),
        ("a NUL in a value", get("host: x\r\nx-request-id: a\0b\r\n")),
        ("a NUL in a name", get("host: x\r\nx\0y: a\r\n")),
        ("no host", get("")),
        ("two hosts", get("host: x\r\nhost: y\r\n")),
        (
            "a space in the path",
            get("host: x\r\n").replacen("/healthz", "/health z", 1),
        ),
        (
            "another version",
            get("host: x\r\n").replacen("HTTP/1.1", "HTTP/1.2", 1),
        ),
    ];
    for (what, request) in cases {
        let answers = exchange(&world, request).await;
        // One refusal, and nothing of what follows is taken for a request.
        assert_eq!(statuses(&answers), [400], "{what}: {answers}");
        assert!(!answers.contains("set-cookie"), "{what}: {answers}");
    }
    assert_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_much_are_refused() {
    let world = World::start().await;
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
    };
    let fields: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "y".repeat(300 * 1024);
    for (what, request, expected) in [
        ("fields", get("/healthz", &fields), 431),
        ("a field", get("/healthz", &format!("x: {long}\r\n")), 431),
        ("a name", get("/healthz", &format!("{long}: x\r\n")), 431),
        ("a path", get(&format!("/{long}"), ""), 414),
        ("a query", get(&format!("/api/tasks?q={long}"), ""), 414),
    ] {
        let answers = exchange(&world, request).await;
        let found = statuses(&answers);
        // A path that does not fit into the buffer at all is a header that is too large.
        assert!(
            found == [expected] || (expected == 414 && found == [431]),
            "{what}: {}",
            answers.chars().take(200).collect::<String>()
        );
    }
    // What is large but allowed passes.
    let fields: String = (0..50)
        .map(|n| format!("x-{n}: {}\r\n", "y".repeat(1000)))
        .collect();
    assert_eq!(
        statuses(&exchange(&world, get("/healthz", &fields)).await),
        [200]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_host() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let token = admin.token.as_deref().unwrap();
    let task = "{\"prompt\":\"x\"}";
    let heads = [
        "host: evil.example\r\n".to_owned(),
        "host: x\r\nx-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\n\
         x-original-url: http://evil.example/\r\nx-rewrite-url: /api/users\r\nx-http-method-override: DELETE\r\n"
            .to_owned(),
    ];
    for headers in heads {
        for (line, body, expected) in [
            ("GET /".to_owned(), "", 200),
            ("GET /api/openapi.json".to_owned(), "", 200),
            ("GET /auth/methods".to_owned(), "", 200),
            ("GET /auth/oidc/login?challenge=x".to_owned(), "", 404),
            (format!("GET /api/tasks/{id}"), "", 200),
            ("POST /api/tasks".to_owned(), task, 201),
            ("GET http://evil.example/api/me".to_owned(), "", 200),
        ] {
            let request = format!(
                "{line} HTTP/1.1\r\n{headers}authorization: Bearer {token}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = exchange(&world, request).await;
            assert_eq!(statuses(&answer), [expected], "{line}: {answer}");
            assert!(!answer.contains("evil.example"), "{line}: {answer}");
        }
    }
}
