//! Streams pass at once, and outlive their gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_tasklog::{Archive as _, Body, End, Frame, LiveLogWriter as _, RedisStore};
use futures::StreamExt as _;
use http::HeaderValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Site;
use crate::support::client::{Client, Event, numbers};
use crate::support::world::{ADMIN, frame, line};
use crate::support::{DEADLINE, until};

const LAST: u64 = 3000;

/// Follows a task over as many connections as it takes.
async fn follow(client: Client, id: String) -> (Vec<Event>, usize) {
    let mut seen: Vec<Event> = Vec::new();
    let mut connections = 0;
    loop {
        let last = numbers(&seen).last().copied().unwrap_or(0).to_string();
        // While a gateway starts again, the other one is there; until nginx has noticed, nobody may be.
        let deadline = Instant::now() + DEADLINE;
        let mut stream = loop {
            if let Some(stream) = client.try_stream(&id, &last).await {
                break stream;
            }
            assert!(Instant::now() < deadline, "no gateway streams in time");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        connections += 1;
        while let Some(event) = stream.next().await {
            let is_done = event.name == "done";
            seen.push(event);
            if is_done {
                return (seen, connections);
            }
        }
    }
}

/// The hash of the lines with their numbers.
fn hash(lines: impl Iterator<Item = (u64, String)>) -> String {
    let mut hasher = Sha256::new();
    lines.for_each(|(number, line)| hasher.update(format!("{number} {line}\n")));
    hex::encode(hasher.finalize())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_move_to_the_other_gateway_on_kill_9() {
    let mut site = Site::start(&[]).await;
    let admin = site.login(ADMIN).await;
    let id = site.world.submitted(&admin).await;
    site.world
        .set_status(&id, json!({ "phase": "running" }))
        .await;
    let store = RedisStore::new(site.redis.config()).unwrap();
    let mut log: Vec<Arc<Frame>> = (1..=LAST).map(line).collect();
    log.push(frame(
        LAST + 1,
        Body::End(End {
            exit_code: Some(0),
            last: LAST,
            ..End::default()
        }),
    ));

    let mut clients = JoinSet::new();
    for _ in 0..6 {
        clients.spawn(follow(admin.clone(), id.clone()));
    }
    let mut guide = admin.stream(&id, "", None).await;
    for index in [0, 1] {
        until("both gateways to have streams", async || {
            (site.metric(index, "codex_gateway_streams_open ").await >= 3).then_some(())
        })
        .await;
    }
    for (number, frames) in log.chunks(10).enumerate() {
        store.append(&id, frames).await.unwrap();
        // In the middle of what is being sent.
        if let Some(index) = [100, 200].iter().position(|at| *at == number) {
            site.replace(index, &[]).await;
        }
    }
    site.world.setup.archive.put(&id, &log).await.unwrap();
    let status = json!({ "phase": "completed", "exitCode": 0, "reason": "Completed",
        "finishedAt": "2026-01-02T03:04:06Z", "lastFrame": LAST + 1 });
    site.world.set_status(&id, status).await;

    let expected = hash((1..=LAST).map(|number| (number, format!("line {number}"))));
    let mut connections = 0;
    while let Some(client) = clients.join_next().await {
        let (events, count) = client.unwrap();
        connections += count;
        let logs = events.iter().filter(|event| event.name == "log");
        let lines = logs.map(|event| {
            let text = event.data["line"].as_str().unwrap().to_owned();
            (event.id.unwrap(), text)
        });
        assert_eq!(hash(lines), expected);
    }
    // Each gateway had three of them when it died.
    assert!(connections >= 12, "{connections}");
    // A broken stream is no end: nothing says `done` but the task.
    let rest = guide.rest().await;
    assert!(rest.iter().all(|event| event.name != "done"), "{rest:?}");
    assert!(!site.nginx.access_log().contains("after="));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_at_once_and_over_websocket_too() {
    let site = Site::start(&[]).await;
    let admin = site.login(ADMIN).await;
    let id = site.world.submitted(&admin).await;
    let store = RedisStore::new(site.redis.config()).unwrap();
    let mut stream = admin.stream(&id, "", None).await;

    let token = admin.token.clone().unwrap();
    let address = format!("127.0.0.1:{}", site.nginx.port);
    let tcp = TcpStream::connect(&address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(site.nginx.tls()));
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let tls = connector.connect(name, tcp).await.unwrap();
    let mut request = format!("wss://{address}/api/tasks/{id}/ws")
        .into_client_request()
        .unwrap();
    let offer = HeaderValue::from_str(&format!("codex.events, bearer.{token}")).unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", offer);
    let (mut socket, _) = tokio_tungstenite::client_async(request, tls).await.unwrap();

    // One line each, and the next only when it has arrived: nothing waits for a buffer to fill.
    for number in 1..=20 {
        store.append(&id, &[line(number)]).await.unwrap();
        let events = stream.take_until(|event| event.id == Some(number)).await;
        assert_eq!(numbers(&events), [number]);
        let message = until_id(&mut socket, number).await;
        assert_eq!(message["data"]["line"], format!("line {number}"));
    }
}

async fn until_id<S>(socket: &mut S, id: u64) -> Value
where
    S: futures::Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        let message = tokio::time::timeout(DEADLINE, socket.next());
        let message = message.await.expect("a message in time").unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["id"] == id {
            return event;
        }
    }
}
