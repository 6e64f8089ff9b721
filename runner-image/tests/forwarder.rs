//! The way to the model: one path, the token added, streaming in both directions.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::{Running, TOKEN, Task};

/// A task whose Codex only waits, and the address of its forwarder.
fn waiting_task(pod_proxy: &str) -> (Running, String) {
    let mut running = Task::new(
        r#"sed -n 's/^base_url = "\(.*\)"/\1/p' "$CODEX_HOME/config.toml"; echo ready; sleep 300"#,
    )
    .env("CODEX_POD_PROXY_URL", pod_proxy)
    .start();
    running.wait_for_line("ready");
    let url = running.log.stdout()[0].to_owned();
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/v1")
        .unwrap()
        .to_owned();
    (running, address)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The head of a request or response, in lower case.
fn head(reader: &mut impl std::io::BufRead) -> String {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        assert!(
            reader.read_line(&mut line).unwrap() > 0,
            "ended in the head: {head}"
        );
        if line == "\r\n" {
            return head.to_lowercase();
        }
        head.push_str(&line);
    }
}

#[test]
fn both_directions_stream_and_the_token_is_added() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_running, address) =
        waiting_task(&format!("http://{}/base/", proxy.local_addr().unwrap()));

    let mut client = connect(&address);
    client
        .write_all(
            b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer agent\r\nX-Kept: 1\r\nX-Hop: 1\r\n\
              Connection: x-hop\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        )
        .unwrap();
    // The head and the first half are there while the second has not been sent.
    let (server, _) = proxy.accept().unwrap();
    let mut server = BufReader::new(server);
    let request = head(&mut server);
    assert!(
        request.starts_with("post /base/v1/responses http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("authorization: bearer {TOKEN}\r\n")),
        "{request}"
    );
    assert!(
        request.contains("x-kept: 1\r\n")
            && !request.contains("x-hop")
            && !request.contains("agent"),
        "{request}"
    );
    let mut first = [0; 9];
    server.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"4\r\nhalf\r\n");
    client.write_all(b"4\r\nrest\r\n0\r\n\r\n").unwrap();
    let mut rest = [0; 14];
    server.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"4\r\nrest\r\n0\r\n\r\n");

    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    server.get_mut().write_all(answer).unwrap();
    let mut client = BufReader::new(client);
    let response = head(&mut client);
    assert!(
        response.starts_with("http/1.1 200") && response.contains("text/event-stream"),
        "{response}"
    );
    let mut first = [0; 10];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
    // A connection that breaks in the middle breaks for Codex too.
    drop(server);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_client_that_goes_away_ends_the_request() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_running, address) = waiting_task(&format!("http://{}", proxy.local_addr().unwrap()));
    let mut client = connect(&address);
    client
        .write_all(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    let (server, _) = proxy.accept().unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut server = BufReader::new(server);
    head(&mut server);
    server
        .get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        .unwrap();
    let mut reader = BufReader::new(&client);
    head(&mut reader);
    drop(client);
    // The end of the stream, or its reset.
    assert!(matches!(server.read(&mut [0; 16]), Ok(0) | Err(_)));
}

#[test]
fn everything_else_is_refused() {
    // Nothing listens there, and nothing but the right request would notice.
    let (_running, address) = waiting_task("http://127.0.0.1:1");
    for (request, status, code) in [
        ("GET /v1/responses", "405", "method_not_allowed"),
        ("GET /v1/models", "404", "not_found"),
        ("POST /v1/responses/x", "404", "not_found"),
        ("POST /v1/responses/../files", "404", "not_found"),
        ("POST http://example.org/v1/files", "404", "not_found"),
        ("CONNECT example.org:443", "404", "not_found"),
        ("POST /v1/responses", "502", "pod_proxy_unreachable"),
    ] {
        let answer = ask(
            &address,
            &format!(
                "{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ),
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
        assert!(
            answer.contains(&format!("\"code\":\"{code}\"")),
            "{request}: {answer}"
        );
    }
}
