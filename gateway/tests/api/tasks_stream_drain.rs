//! `GET /api/tasks/{id}/stream` when one of several gateways stops.

use codex_tasklog::{LiveLogWriter as _, MemoryStore};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::client::{Client, Event, numbers};
use crate::support::program::Program;
use crate::support::raw::Raw;
use crate::support::until;
use crate::support::world::{World, line};

const LAST: u64 = 3000;

/// Follows a task over as many connections and gateways as it takes.
async fn follow(mut gateways: Vec<Client>, id: String) -> (Vec<Event>, usize) {
    let mut seen: Vec<Event> = Vec::new();
    let mut connections = 0;
    loop {
        let last = numbers(&seen).last().copied().unwrap_or(0).to_string();
        let client = &gateways[0];
        connections += 1;
        // Refused in words, or not answered any more: another one is there.
        let Some(mut stream) = client.try_stream(&id, &last).await else {
            gateways.remove(0);
            continue;
        };
        while let Some(event) = stream.next().await {
            let is_done = event.name == "done";
            seen.push(event);
            if is_done {
                return (seen, connections);
            }
        }
    }
}

fn write(store: MemoryStore, id: String) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for start in (1..=LAST).step_by(10) {
            let frames: Vec<_> = (start..start + 10).map(line).collect();
            store.append(&id, &frames).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
    })
}

/// The hash of the lines, as somebody sees them.
fn hash<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line);
        hasher.update("\n");
    }
    hex::encode(hasher.finalize())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_gateway_that_stops_go_on_at_another() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world.set_status(&id, json!({ "phase": "running" })).await;
    let first = Program::start(&world, &[("CODEX_DRAIN_SECONDS", "2")]).await;
    let second = Program::start(&world, &[]).await;
    let token = admin.token.clone().unwrap();
    let writer = write(world.store.clone(), id.clone());
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let gateways = vec![admin.at(&first.url), admin.at(&second.url)];
            tokio::spawn(follow(gateways, id.clone()))
        })
        .collect();
    // Somebody who does not read must not hold up the end.
    let path = format!("/api/tasks/{id}/stream");
    let _stalled = Raw::get(first.address(), &path, &token, Some(4096)).await;
    until("the log to be half-way", async || {
        (world.store.snapshot(&id).len() as u64 > LAST / 2).then_some(())
    })
    .await;

    let stopping = admin.at(&first.url);
    let mut open = stopping.stream(&id, "", None).await;
    first.terminate().await;
    until("the gateway to say that it stops", async || {
        let answer = stopping.get("/readyz").await;
        (answer.status == 503 && answer.error() == "stopping").then_some(())
    })
    .await;
    let refused = stopping.get(&path).await;
    assert_eq!((refused.status, refused.error()), (503, "stopping"));
    assert_eq!(refused.headers["retry-after"], "1");
    // What is open goes on for the time being, and everything else is served.
    assert_eq!(stopping.task(&id).await["status"], "running");
    let now = world.store.snapshot(&id).len() as u64;
    let events = open.take_until(|event| event.id >= Some(now)).await;
    assert_eq!(
        numbers(&events),
        (1..=*numbers(&events).last().unwrap()).collect::<Vec<_>>()
    );
    assert!(open.rest().await.iter().all(|event| event.name != "done"));
    assert!(open.is_between_events());
    first.ended().await;

    writer.await.unwrap();
    world.finish(&id, LAST).await;
    let expected: Vec<String> = (1..=LAST).map(|number| format!("line {number}")).collect();
    let expected = hash(expected.iter().map(String::as_str));
    for client in clients {
        let (events, connections) = client.await.unwrap();
        assert!(connections >= 2, "it has moved");
        assert_eq!(numbers(&events), (1..=LAST).collect::<Vec<_>>());
        let logs = events.iter().filter(|event| event.name == "log");
        assert_eq!(
            hash(logs.filter_map(|event| event.data["line"].as_str())),
            expected
        );
    }
    second.terminate().await;
    second.ended().await;
}
