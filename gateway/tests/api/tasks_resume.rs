//! `resume_from` of `POST /api/tasks`.

use codex_tasklog::{Archive as _, Artifact};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// A finished task with a session.
async fn finished(world: &World, client: &Client, body: &Value) -> String {
    let id = client.submit(body).await;
    world.resource(&id).await;
    leave_session(world, &id).await;
    world.finish(&id, 0).await;
    client.task_in(&id, "completed").await;
    id
}

async fn leave_session(world: &World, id: &str) {
    let key = Artifact::Session.key(id).unwrap();
    let session = bytes::Bytes::from_static(b"a session");
    let objects = world.setup.archive.objects();
    objects.replace(&key, session).await.unwrap();
}

async fn resume(client: &Client, id: &str, more: Value) -> Answer {
    let mut body = json!({ "prompt": "go on", "resume_from": id });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    client.post("/api/tasks", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_on_where_another_one_of_its_owner_ended() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let body = json!({ "prompt": "x", "cwd": "/srv/repos/web/lib", "model": "m-1" });
    let earlier = finished(&world, &ada, &body).await;

    let answer = resume(&ada, &earlier, json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.body["task_id"].as_str().unwrap();
    assert_eq!(ada.task(id).await["resume_from"], earlier);
    let spec = world.resource(id).await.spec;
    assert_eq!(spec.resume_from.as_deref(), Some(earlier.as_str()));
    assert_eq!(
        (spec.cwd.as_deref(), spec.model.as_deref()),
        (Some("/srv/repos/web/lib"), Some("m-1")),
        "what is not said stays as it was"
    );
    let other = json!({ "cwd": "/srv/repos/web", "model": "m-2" });
    let answer = resume(&ada, &earlier, other).await;
    let spec = world
        .resource(answer.body["task_id"].as_str().unwrap())
        .await
        .spec;
    assert_eq!(
        (spec.cwd.as_deref(), spec.model.as_deref()),
        (Some("/srv/repos/web"), Some("m-2"))
    );
    assert!(ada.task(&earlier).await.get("resume_from").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_gone_on_with_is_refused() {
    let world = World::start().await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let task = json!({ "prompt": "x", "cwd": "/srv/repos/web" });
    let earlier = finished(&world, &ada, &task).await;

    for stranger in [&bob, &world.admin().await] {
        let answer = resume(stranger, &earlier, json!({})).await;
        assert_eq!((answer.status, answer.error()), (404, "not_found"));
    }
    let answer = resume(&ada, &Uuid::now_v7().to_string(), json!({})).await;
    assert_eq!((answer.status, answer.error()), (404, "not_found"));
    let answer = resume(&ada, "yesterday", json!({})).await;
    assert_eq!((answer.status, answer.error()), (422, "wrong_shape"));
    let answer = resume(&ada, &earlier, json!({ "cwd": "/srv/repos/app" })).await;
    assert_eq!((answer.status, answer.error()), (422, "other_repository"));
    let answer = resume(&ada, &earlier, json!({ "cwd": "/etc" })).await;
    assert_eq!((answer.status, answer.error()), (400, "invalid_request"));

    let running = ada.submit(&task).await;
    world.resource(&running).await;
    leave_session(&world, &running).await;
    let answer = resume(&ada, &running, json!({})).await;
    assert_eq!((answer.status, answer.error()), (409, "task_not_finished"));

    let bare = ada.submit(&task).await;
    world.resource(&bare).await;
    world.finish(&bare, 0).await;
    ada.task_in(&bare, "completed").await;
    let answer = resume(&ada, &bare, json!({})).await;
    assert_eq!((answer.status, answer.error()), (409, "no_session"));
}
