//! `GET /api/tasks/{id}/stream` when clients, gateways and stores misbehave.

use codex_tasklog::{Body, LiveLogWriter as _, Stream};
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::client::{Client, Event, numbers, states};
use crate::support::until;
use crate::support::world::{World, frame, line};

async fn running(world: &World, client: &Client) -> String {
    let id = world.submitted(client).await;
    world.set_status(&id, json!({ "phase": "running" })).await;
    id
}

/// The value of a counter or a gauge.
async fn metric(world: &World, name: &str) -> u64 {
    let text = world.stranger().get("/metrics").await.body;
    let text = text.as_str().unwrap().to_owned();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connections_cut_at_random_points_lose_nothing() {
    const LAST: u64 = 6000;
    let world = World::start().await;
    let admin = world.admin().await;
    let id = running(&world, &admin).await;
    let (store, task) = (world.store.clone(), id.clone());
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut bursts = Vec::new();
    while bursts.iter().sum::<u64>() < LAST {
        bursts.push(random.random_range(1..60_u64));
    }
    let writer = tokio::spawn(async move {
        let mut next = 1;
        for burst in bursts {
            let end = (next + burst).min(LAST + 1);
            let frames: Vec<_> = (next..end).map(line).collect();
            store.append(&task, &frames).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            next = end;
        }
    });
    let mut seen: Vec<Event> = Vec::new();
    for connection in 1..=200 {
        let last = numbers(&seen).last().copied().unwrap_or(0);
        let query = match connection % 3 {
            0 => format!("?after={last}&view=raw"),
            1 => format!("?after={last}"),
            _ => format!("?after={last}&pace=ui"),
        };
        let mut stream = admin.stream(&id, &query, None).await;
        let wanted = (last + random.random_range(1..60_u64)).min(LAST);
        seen.extend(stream.take_until(|event| event.id >= Some(wanted)).await);
        if numbers(&seen).last() == Some(&LAST) {
            assert!(connection >= 100, "{connection}");
            break;
        }
    }
    writer.await.unwrap();
    world.finish(&id, LAST).await;
    let last = numbers(&seen).last().copied().unwrap_or(0);
    seen.extend(
        admin
            .stream(&id, "", Some(&last.to_string()))
            .await
            .rest()
            .await,
    );
    assert_eq!(numbers(&seen), (1..=LAST).collect::<Vec<_>>());
    assert_eq!(seen.last().unwrap().name, "done");
    until("all streams to be closed", async || {
        (metric(&world, "codex_gateway_streams_open").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_byte_by_byte_is_served_from_the_store() {
    const LAST: u64 = 2000;
    let world = World::start().await;
    let admin = world.admin().await;
    let id = running(&world, &admin).await;
    let mut slow = {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = world.gateway().url.strip_prefix("http://").unwrap();
        socket.connect(address.parse().unwrap()).await.unwrap()
    };
    // With HTTP 1.0 the body is not cut into chunks, and ends with the connection.
    let request = format!(
        "GET /api/tasks/{id}/stream HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n",
        admin.token.as_ref().unwrap()
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut body = vec![slow.read_u8().await.unwrap()];
    let mut fast = admin.stream(&id, "", None).await;
    let mut seen = Vec::new();
    for start in (1..=LAST).step_by(100) {
        let text = "x".repeat(7000);
        let frames: Vec<_> = (start..start + 100)
            .map(|seq| {
                let body = Body::Line {
                    stream: Stream::Stdout,
                    text: text.clone(),
                    more: false,
                };
                frame(seq, body)
            })
            .collect();
        world.store.append(&id, &frames).await.unwrap();
        for _ in 0..100 {
            body.push(slow.read_u8().await.unwrap());
        }
        let wanted = start + 99;
        seen.extend(fast.take_until(|event| event.id == Some(wanted)).await);
    }
    assert_eq!(numbers(&seen), (1..=LAST).collect::<Vec<_>>());
    // Nobody has read anything but the ring so far: for the slow client the gateway has not even looked.
    assert_eq!(
        metric(&world, "codex_gateway_stream_store_chunks_total").await,
        0
    );
    world.finish(&id, LAST).await;
    assert_eq!(fast.rest().await.last().unwrap().name, "done");
    slow.read_to_end(&mut body).await.unwrap();
    let text = String::from_utf8(body).unwrap();
    let ids: Vec<u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
        .collect();
    assert_eq!(ids, (1..=LAST).collect::<Vec<_>>());
    assert!(text.trim_end().ends_with('}') && text.contains("event: done\n"));
    // What it got from memory were the 4 MB of the ring at most.
    assert!(metric(&world, "codex_gateway_stream_store_chunks_total").await > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_of_the_live_log_may_come_and_go() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = running(&world, &admin).await;
    let mut early = admin.stream(&id, "", None).await;
    let mut seen = Vec::new();
    let mut late_seen = Vec::new();
    for round in 0..4 {
        let start = round * 100 + 1;
        world.write_lines(&id, start..=start + 49).await;
        seen.extend(early.take_until(|event| event.id == Some(start + 49)).await);
        world.kill_hub();
        // Somebody who comes meanwhile waits for it too.
        let last = numbers(&late_seen).last().copied().unwrap_or(0);
        let mut late = admin.stream(&id, &format!("?after={last}"), None).await;
        world.write_lines(&id, start + 50..=start + 99).await;
        world.restart_hub();
        seen.extend(early.take_until(|event| event.id == Some(start + 99)).await);
        late_seen.extend(late.take_until(|event| event.id == Some(start + 99)).await);
    }
    assert_eq!(numbers(&seen), (1..=400).collect::<Vec<_>>());
    assert_eq!(numbers(&late_seen), (1..=400).collect::<Vec<_>>());
    world.finish(&id, 400).await;
    let end = early.rest().await;
    assert_eq!(states(&end), ["completed"]);
    assert_eq!(end.last().unwrap().name, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_limited_for_each_user_and_in_all() {
    let world = World::start_with(|setup| {
        setup.settings.streams_per_user = 2;
        setup.settings.streams_total = 3;
    })
    .await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let of_ada = running(&world, &ada).await;
    let of_bob = running(&world, &bob).await;
    let path = |id: &str| format!("/api/tasks/{id}/stream");
    let first = ada.stream(&of_ada, "", None).await;
    let _second = ada.stream(&of_ada, "?view=raw", None).await;
    let refused = ada.get(&path(&of_ada)).await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_streams"));
    assert_eq!(refused.headers["retry-after"], "5");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("you have 2 streams open"), "{message}");
    // Others are not concerned, until the gateway is full.
    let _third = bob.stream(&of_bob, "", None).await;
    let refused = bob.get(&path(&of_bob)).await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_streams"));
    assert_eq!(
        metric(&world, "codex_gateway_streams_refused_total").await,
        2
    );
    // Whoever leaves makes room.
    drop(first);
    until("a stream to be free", async || {
        let answer = ada
            .request(reqwest::Method::GET, &path(&of_ada))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16() == 200).then_some(())
    })
    .await;
}
