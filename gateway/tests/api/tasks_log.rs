//! `GET /api/tasks/{id}/log` and `/patch`.

use codex_tasklog::Body;
use serde_json::{Value, json};

use crate::support::world::World;

fn event(json: &Value) -> Body {
    Body::Event {
        json: json.to_string(),
        more: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_there_during_the_task_and_after_it() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let path = format!("/api/tasks/{id}/log");
    assert_eq!(admin.get(&path).await.body, "");
    world.write_lines(&id, 1..=2).await;
    world
        .write(&id, 3, event(&json!({ "type": "turn.started" })))
        .await;
    let text = "line 1\nline 2\n{\"type\":\"turn.started\"}\n";
    assert_eq!(admin.get(&path).await.body, text);
    world.finish(&id, 3).await;
    admin.task_in(&id, "completed").await;
    assert_eq!(admin.get(&path).await.body, text);

    let answer = admin.get(&format!("{path}?format=ndjson")).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = answer
        .body
        .as_str()
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (lines[0]["seq"].as_u64(), lines[0]["line"].as_str()),
        (Some(1), Some("line 1"))
    );
    assert_eq!(lines[2]["event"]["type"], "turn.started");
    assert_eq!(lines[3]["end"]["exit_code"], 0);
    assert_eq!(
        admin.get(&format!("{path}?format=x")).await.error(),
        "invalid_request"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_patch_is_the_patch() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let path = format!("/api/tasks/{id}/patch");
    world
        .write(
            &id,
            1,
            event(&json!({ "type": "item.completed", "text": "\"runner.patch\"" })),
        )
        .await;
    let answer = admin.get(&path).await;
    assert_eq!((answer.status, answer.error()), (404, "not_found"));
    world
        .write(
            &id,
            2,
            event(&json!({ "type": "runner.patch", "patch": "old\n" })),
        )
        .await;
    world
        .write(
            &id,
            3,
            event(
                &json!({ "type": "runner.patch", "patch": "diff --git a b\n", "truncated": true }),
            ),
        )
        .await;
    world.finish(&id, 3).await;
    let answer = admin.get(&path).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, Some("diff --git a b\n"))
    );
    assert_eq!(answer.headers["x-codex-patch-truncated"], "true");
}
