//! `GET /api/tasks/{id}/stream`.

use codex_tasklog::{Body, LiveLogWriter as _, Stream};
use reqwest::Method;
use serde_json::json;

use crate::support::client::{Event, numbers, states};
use crate::support::world::{World, line};

async fn running(world: &World, id: &str) {
    world
        .set_status(
            id,
            json!({ "phase": "running", "startedAt": "2026-01-02T03:04:05Z" }),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_followed_from_the_queue_to_its_end() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let mut stream = admin.stream(&id, "", None).await;
    let first = stream.next().await.unwrap();
    assert_eq!(
        (first.name.as_str(), first.data["state"].as_str()),
        ("status", Some("queued"))
    );
    assert!(
        first.id.is_none() && first.data["ts"].is_string(),
        "{first:?}"
    );

    world
        .set_status(
            &id,
            json!({ "phase": "queued", "queuePosition": 2, "reason": "UserLimit" }),
        )
        .await;
    let waiting = stream.next().await.unwrap();
    assert_eq!(
        (
            waiting.data["queue_position"].as_i64(),
            waiting.data["reason"].as_str()
        ),
        (Some(2), Some("UserLimit"))
    );

    running(&world, &id).await;
    let now = stream
        .take_until(|event| event.data["state"] == "running")
        .await;
    assert_eq!(now.last().unwrap().data["ts"], "2026-01-02T03:04:05.000Z");

    world.write_lines(&id, 1..=1).await;
    let log = stream.next().await.unwrap();
    assert_eq!((log.name.as_str(), log.id), ("log", Some(1)));
    assert_eq!(
        log.data,
        json!({ "line": "line 1", "ts": "2026-01-02T03:04:05.000006Z", "stream": "stderr" })
    );

    let pieces = [
        ("{\"type\":\"item.com", true),
        ("pleted\",\"item\":{\"n\":1}}", false),
    ];
    for (seq, (json, more)) in (2..).zip(pieces) {
        world
            .write(
                &id,
                seq,
                Body::Event {
                    json: json.into(),
                    more,
                },
            )
            .await;
    }
    world
        .write(
            &id,
            4,
            Body::Line {
                stream: Stream::Stdout,
                text: "a\n\nevent: done".into(),
                more: false,
            },
        )
        .await;
    world.write(&id, 7, Body::Gap { count: 3 }).await;
    let events = stream.take_until(|event| event.name == "gap").await;
    assert_eq!(numbers(&events), [3, 4, 7]);
    assert_eq!(
        events[0].data.to_string(),
        "{\"ts\":\"2026-01-02T03:04:05.000006Z\",\"from\":2,\"type\":\"item.completed\",\"item\":{\"n\":1}}"
    );
    assert_eq!(events[1].data["line"], "a\n\nevent: done");
    assert_eq!(
        (
            events[2].data["count"].as_u64(),
            events[2].data["from"].as_u64()
        ),
        (Some(3), Some(5))
    );

    world.finish(&id, 7).await;
    let end = stream.rest().await;
    assert_eq!(states(&end), ["completed"]);
    let done = end.last().unwrap();
    assert_eq!((done.name.as_str(), done.id), ("done", None));
    assert_eq!(
        (done.data["exit_code"].as_i64(), done.data["state"].as_str()),
        (Some(0), Some("completed"))
    );

    // Long after, all of it is there, in both views.
    let again = admin.stream(&id, "", None).await.rest().await;
    assert_eq!(numbers(&again), [1, 3, 4, 7]);
    assert_eq!(states(&again), ["completed"], "the present status only");
    let raw = admin.stream(&id, "?view=raw", None).await.rest().await;
    assert!(raw.iter().all(|event| event.name != "item"));
    assert_eq!(
        raw[2].data["line"],
        "{\"type\":\"item.completed\",\"item\":{\"n\":1}}"
    );
    assert_eq!(
        (raw[2].data["from"].as_u64(), raw[2].data["stream"].as_str()),
        (Some(2), Some("stdout"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_client_gets_every_number_once() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    running(&world, &id).await;
    let (store, task) = (world.store.clone(), id.clone());
    let writer = tokio::spawn(async move {
        for seq in 1..=600 {
            store.append(&task, &[line(seq)]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut seen: Vec<Event> = Vec::new();
    let mut connections = 0;
    while numbers(&seen).len() < 600 {
        let last = numbers(&seen).last().copied().unwrap_or(0);
        let resume = last.to_string();
        let client = admin.at(&world.gateway().url);
        let mut stream = client
            .stream(&id, "", (last > 0).then_some(resume.as_str()))
            .await;
        // Each connection is dropped in the middle; each third time the whole gateway dies.
        let wanted = last + 97;
        seen.extend(
            stream
                .take_until(|event| event.id >= Some(wanted.min(600)))
                .await,
        );
        connections += 1;
        if connections % 3 == 0 {
            world.replace_gateway().await;
        }
    }
    writer.await.unwrap();
    assert!(connections >= 6, "{connections}");
    assert_eq!(numbers(&seen), (1..=600).collect::<Vec<_>>());
    world.finish(&id, 600).await;
    let client = admin.at(&world.gateway().url);
    client.task_in(&id, "completed").await;
    for after in [1, 300, 600, 601, 10_000] {
        let rest = client
            .stream(&id, &format!("?after={after}"), None)
            .await
            .rest()
            .await;
        assert_eq!(
            numbers(&rest),
            (after + 1..=600).collect::<Vec<_>>(),
            "after {after}"
        );
        assert_eq!(rest.last().unwrap().name, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_counts_more_than_the_query_and_nonsense_is_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world.write_lines(&id, 1..=5).await;
    world.finish(&id, 5).await;
    admin.task_in(&id, "completed").await;
    let events = admin.stream(&id, "?after=1", Some("4")).await.rest().await;
    assert_eq!(numbers(&events), [5]);
    let refused = async |query: &str, last_event_id: Option<&str>| {
        let path = format!("/api/tasks/{id}/stream{query}");
        let mut request = admin.request(Method::GET, &path);
        if let Some(last) = last_event_id {
            request = request.header("last-event-id", last);
        }
        let answer = admin.send(request).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{query} {last_event_id:?}"
        );
    };
    for query in [
        "?after=",
        "?after=x",
        "?after=%201",
        "?after=-1",
        "?after=9007199254740993",
        "?view=",
        "?view=pretty",
        "?pace=",
    ] {
        refused(query, None).await;
        // A client that sends nonsense learns of it, also where the other one counts.
        refused(query, Some("4")).await;
    }
    for last_event_id in ["", "x", "-1", "9007199254740993"] {
        refused("", Some(last_event_id)).await;
        refused("?after=1", Some(last_event_id)).await;
    }
    assert_eq!(
        world
            .stranger()
            .get(&format!("/api/tasks/{id}/stream"))
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_lets_go_of_its_streams() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    running(&world, &id).await;
    world.write_lines(&id, 1..=3).await;
    let mut stream = admin.stream(&id, "", None).await;
    let before = stream.take_until(|event| event.id == Some(3)).await;
    assert_eq!(numbers(&before), [1, 2, 3]);
    world.gateway.take().unwrap().stop().await;
    let rest = stream.rest().await;
    assert!(rest.iter().all(|event| event.name != "done"), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_hold_nobody_up() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    running(&world, &id).await;
    let stalled = admin.stream(&id, "", None).await;
    let mut reading = admin.stream(&id, "", None).await;
    // Far more than sockets hold.
    let text = "x".repeat(7000);
    for start in (1..=4000).step_by(100) {
        let frames: Vec<_> = (start..start + 100)
            .map(|seq| {
                let body = Body::Line {
                    stream: Stream::Stdout,
                    text: text.clone(),
                    more: false,
                };
                crate::support::world::frame(seq, body)
            })
            .collect();
        world.store.append(&id, &frames).await.unwrap();
    }
    let seen = reading.take_until(|event| event.id == Some(4000)).await;
    assert_eq!(numbers(&seen), (1..=4000).collect::<Vec<_>>());
    world.finish(&id, 4000).await;
    assert_eq!(reading.rest().await.last().unwrap().name, "done");
    // And lose nothing themselves.
    let mut stalled = stalled;
    assert_eq!(
        numbers(&stalled.rest().await),
        (1..=4000).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_lost_is_a_gap_and_no_silence() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    running(&world, &id).await;
    world.write_lines(&id, 1..=2).await;
    let mut stream = admin.stream(&id, "", None).await;
    stream.take_until(|event| event.id == Some(2)).await;
    // The task is finished, but neither store has the rest of its log.
    world.store.remove(&id).await.unwrap();
    world
        .set_status(&id, json!({ "phase": "error", "reason": "RunnerLost", "finishedAt": "2026-01-02T03:04:06Z", "lastFrame": 9 }))
        .await;
    let end = stream.rest().await;
    let gap = end.iter().find(|event| event.name == "gap").unwrap();
    assert_eq!(
        (
            gap.id,
            gap.data["from"].as_u64(),
            gap.data["count"].as_u64()
        ),
        (Some(9), Some(3), Some(7))
    );
    assert_eq!(end.last().unwrap().name, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beat_and_see_what_other_gateways_do() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    ada.get("/api/repositories").await;
    world.gateway().faults.set_away(true);
    let canceled = ada.submit(&json!({ "prompt": "x" })).await;
    let watched = bob.submit(&json!({ "prompt": "x" })).await;
    let other = crate::support::process::Gateway::start(world.setup.clone()).await;
    other.faults.set_away(true);
    let mut stream = ada.at(&other.url).stream(&canceled, "", None).await;
    let mut of_bob = bob.at(&other.url).stream(&watched, "", None).await;
    assert_eq!(stream.next().await.unwrap().data["state"], "queued");
    assert_eq!(of_bob.next().await.unwrap().data["state"], "queued");

    // Neither is told by Kubernetes, so both come with the next beat.
    assert_eq!(
        ada.delete(&format!("/api/tasks/{canceled}")).await.status,
        200
    );
    sqlx::query("UPDATE users SET disabled = true WHERE email = 'bob@example.test'")
        .execute(&world.pool)
        .await
        .unwrap();
    let end = stream.rest().await;
    assert_eq!(states(&end), ["canceled"]);
    assert_eq!(end.last().unwrap().name, "done");
    assert!(
        stream.comments >= 1,
        "a comment shows that the connection lives"
    );
    assert!(of_bob.rest().await.is_empty(), "whoever is disabled is out");
}
