//! `GET /api/tasks/{id}/artifacts` and what it names.

use codex_tasklog::{Archive as _, Artifact, Body};
use serde_json::json;

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_left_is_listed_and_downloaded() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let path = format!("/api/tasks/{id}/artifacts");
    let names = |answer: &crate::support::client::Answer| -> Vec<String> {
        let list = answer.body["artifacts"].as_array().unwrap();
        list.iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&admin.get(&path).await), ["log.ndjson"]);

    let patch = json!({ "type": "runner.patch", "patch": "diff --git a b\n" });
    let event = Body::Event {
        json: patch.to_string(),
        more: false,
    };
    world.write_lines(&id, 1..=2).await;
    world.write(&id, 3, event).await;
    let objects = world.setup.archive.objects();
    let key = Artifact::Session.key(&id).unwrap();
    let session = bytes::Bytes::from_static(b"a session");
    objects.replace(&key, session).await.unwrap();
    world.finish(&id, 3).await;
    admin.task_in(&id, "completed").await;

    let answer = admin.get(&path).await;
    assert_eq!(
        names(&answer),
        ["log.ndjson", "patch.diff", "session.jsonl.zst"]
    );
    let list = answer.body["artifacts"].as_array().unwrap();
    for (entry, text, media_type) in [
        (&list[1], "diff --git a b\n", "text/x-diff; charset=utf-8"),
        (&list[2], "a session", "application/zstd"),
    ] {
        assert_eq!(entry["bytes"], text.len());
        assert_eq!(entry["media_type"], media_type);
        let file = admin.get(entry["path"].as_str().unwrap()).await;
        assert_eq!((file.status, file.body.as_str()), (200, Some(text)));
        assert_eq!(file.headers["content-type"], media_type);
        let name = format!(
            "attachment; filename=\"{id}.{}\"",
            entry["name"].as_str().unwrap()
        );
        assert_eq!(file.headers["content-disposition"], name);
    }
    let log = admin.get(list[0]["path"].as_str().unwrap()).await;
    let same = admin
        .get(&format!("/api/tasks/{id}/log?format=ndjson"))
        .await;
    assert_eq!(log.body, same.body);

    for name in ["frames.ndjson.zst", "manifest.json", "..%2fmanifest.json"] {
        let answer = admin.get(&format!("{path}/{name}")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (404, "not_found"),
            "{name}"
        );
    }
    let other = world.user("bob").await;
    for path in [path.clone(), format!("{path}/session.jsonl.zst")] {
        assert_eq!(other.get(&path).await.status, 404);
        assert_eq!(world.stranger().get(&path).await.status, 401);
    }
    let loud = id.to_uppercase();
    let answer = admin
        .get(&format!("/api/tasks/{loud}/artifacts/session.jsonl.zst"))
        .await;
    assert_eq!(answer.status, 404, "ids have one spelling");
}
