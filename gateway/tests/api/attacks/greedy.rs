//! Clients that take what others need: connections, and answers that they do not read.

use std::net::Ipv4Addr;
use std::time::Duration;

use codex_gateway::http::client_address::TrustedProxies;
use codex_tasklog::{Archive as _, Body, End, Stream};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{assert_well, statuses};
use crate::support::client::Client;
use crate::support::raw::Raw;
use crate::support::world::{World, frame};
use crate::support::{DEADLINE, until};

/// The value of a counter of the gateway.
async fn count(client: &Client, name: &str) -> u64 {
    let metrics = client.get("/metrics").await.body;
    let line = metrics
        .as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not counted"))
        .parse()
        .unwrap()
}

/// How long clients may take nothing here.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than the buffers of two sockets take, which the kernel lets grow.
const LINES: u64 = 4_000;

/// A task that has ended, with a log of 24 MB.
async fn talkative(world: &World, client: &Client) -> String {
    let id = world.submitted(client).await;
    let text = "x".repeat(6_000);
    let mut frames: Vec<_> = (1..=LINES)
        .map(|number| {
            let body = Body::Line {
                stream: Stream::Stdout,
                text: text.clone(),
                more: false,
            };
            frame(number, body)
        })
        .collect();
    frames.push(frame(
        LINES + 1,
        Body::End(End {
            exit_code: Some(0),
            last: LINES,
            ..End::default()
        }),
    ));
    world.setup.archive.put(&id, &frames).await.unwrap();
    let status = json!({ "phase": "completed", "exitCode": 0, "finishedAt": "2026-01-02T03:04:06Z", "lastFrame": LINES + 1 });
    world.set_status(&id, status).await;
    client.task_in(&id, "completed").await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_end() {
    // Long enough for a test that does read to be held up by whatever else the machine does.
    let world = World::start_with(|setup| setup.settings.write_timeout = PATIENCE).await;
    let admin = world.admin().await;
    let id = talkative(&world, &admin).await;
    let address = world.gateway().url.strip_prefix("http://").unwrap();
    let token = admin.token.as_deref().unwrap();
    let stalled = "codex_gateway_connections_stalled_total";
    for (number, path) in ["log", "log?format=ndjson", "stream"].iter().enumerate() {
        let path = format!("/api/tasks/{id}/{path}");
        let mut greedy = Raw::get(address, &path, token, Some(4096)).await;
        until("the end of patience", async || {
            (count(&admin, stalled).await > number as u64).then_some(())
        })
        .await;
        // What was under way may still be there; the rest is not, and neither is the connection.
        let rest = greedy.socket.read_to_end(&mut greedy.body);
        let _ = tokio::time::timeout(DEADLINE, rest)
            .await
            .expect("the connection ends");
        assert!(greedy.body.len() < LINES as usize * 6_000, "{path}");
    }
    until("the streams to be given back", async || {
        (count(&admin, "codex_gateway_streams_open").await == 0).then_some(())
    })
    .await;
}

async fn connect_from(world: &World, machine: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = Ipv4Addr::new(127, 0, 9, machine);
    socket.bind((from, 0).into()).unwrap();
    let address = world.gateway().url.strip_prefix("http://").unwrap();
    socket.connect(address.parse().unwrap()).await.unwrap()
}

/// Whether a request on the connection is answered; otherwise it is closed.
async fn is_served(connection: &mut TcpStream) -> bool {
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    if connection.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(DEADLINE, connection.read(&mut answer));
    match read.await.expect("an answer or the end") {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            let text = String::from_utf8_lossy(&answer[..length]);
            assert_eq!(statuses(&text), [200], "{text}");
            true
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections() {
    const CLIENT: u8 = 1;
    const OTHER: u8 = 2;
    const PROXY: u8 = 3;
    let world = World::start_with(|setup| {
        setup.settings.connections_per_address = 3;
        // None of them goes because it has nothing to ask.
        setup.settings.header_timeout = Duration::from_secs(600);
        let proxy = "127.0.9.3/32".parse().unwrap();
        setup.settings.trusted_proxies = TrustedProxies::Networks(vec![proxy]);
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = connect_from(&world, CLIENT).await;
        assert!(is_served(&mut connection).await);
        open.push(connection);
    }
    assert!(!is_served(&mut connect_from(&world, CLIENT).await).await);
    assert!(is_served(&mut connect_from(&world, OTHER).await).await);
    assert_well(&world).await;
    let mut behind = Vec::new();
    for _ in 0..6 {
        let mut connection = connect_from(&world, PROXY).await;
        assert!(is_served(&mut connection).await);
        behind.push(connection);
    }
    // A connection that ends makes room for another.
    drop(open.pop());
    until("room for another", async || {
        let mut connection = connect_from(&world, CLIENT).await;
        is_served(&mut connection).await.then_some(connection)
    })
    .await;
    let refused = count(&world.stranger(), "codex_gateway_connections_refused_total").await;
    assert!(refused >= 1);
}
