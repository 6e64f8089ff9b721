//! The life of a task that nothing disturbs.

use codex_crds::{Phase, conditions};
use codex_tasklog::{Body, LiveLog as _};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use std::time::Instant;

use crate::support::operator::fetch;
use crate::support::{NAMESPACE, World, condition, eventually, lines, whole};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_leaves_its_record() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "user": "ada@example.org"}))
        .await;
    let mut runner = world.run_pod(&id).await;
    let status = world.until_phase(&id, Phase::Running).await;
    assert_eq!(status.repository.as_deref(), Some("demo"));
    assert_eq!(status.pod_name, Some(format!("codex-{id}")));
    assert!(status.started_at.is_some());

    runner.event(&json!({"type": "thread.started", "thread_id": "th_1"}));
    runner.line("working");
    let mut live = world.setup.live().subscribe(&id, 0).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(live.next().await.unwrap().unwrap());
    }
    assert!(matches!(&seen[1].body, Body::Line { text, .. } if text == "working"));

    runner.event(&json!({"type": "turn.completed", "usage": {
        "input_tokens": 20, "cached_input_tokens": 8, "output_tokens": 10, "reasoning_output_tokens": 4}}));
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    assert_eq!(status.exit_code, Some(0));
    assert_eq!(status.reason.as_deref(), Some("Completed"));
    assert_eq!(status.thread_id.as_deref(), Some("th_1"));
    assert_eq!(status.usage.unwrap().output_tokens, 10);
    assert_eq!(status.last_frame, Some(4));
    assert!(status.archived_at.is_some() && status.duration.is_some());
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().reason,
        "Archived"
    );
    assert_eq!(
        condition(&status, conditions::FINISHED).unwrap().status,
        "True"
    );
    let frames = world.archived(&id).await;
    assert_eq!(whole(&frames).exit_code, Some(0));
    assert_eq!(lines(&frames), ["working"]);

    runner.terminate(0).await;
    world.node.confirm_deletion(&format!("codex-{id}")).await;
    world.until_pod_gone(&id).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    assert!(
        secrets
            .get_opt(&format!("codex-{id}"))
            .await
            .unwrap()
            .is_none()
    );

    let events: Api<Event> = Api::namespaced(world.client.clone(), NAMESPACE);
    let reasons = eventually(async || {
        let list = events.list(&ListParams::default()).await.unwrap();
        let reasons: Vec<String> = list
            .items
            .into_iter()
            .filter(|event| event.involved_object.name.as_deref() == Some(&id))
            .filter_map(|event| event.reason)
            .collect();
        ["Admitted", "Started", "Completed"]
            .iter()
            .all(|wanted| reasons.iter().any(|reason| reason == wanted))
            .then_some(reasons)
    })
    .await;
    assert!(reasons.is_some(), "events are missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_is_there_soon_after_the_task() {
    let world = World::new().await;
    let operator = world.start();
    operator.listen();
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let id = world
            .submit(json!({"prompt": "Hello", "user": uuid::Uuid::now_v7().to_string()}))
            .await;
        world
            .node
            .until(&format!("codex-{id}"), "there", |_| true)
            .await;
        best = best.min(start.elapsed().as_millis());
    }
    println!("from the task to its Pod: {best} ms at best");
    // Nothing on the way polls or waits; a second would mean that something does.
    assert!(best < 1000, "{best} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_holds_prompt_token_and_nonce() {
    let world = World::new().await;
    world
        .repository_with(
            "rules",
            json!({"path": "/srv/repos/rules", "source": {"hostPath": {"path": "/srv/rules"}},
                   "prePrompt": "Be brief.\n"}),
        )
        .await;
    let _operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "cwd": "/srv/repos/rules"}))
        .await;
    world.node.until_bound(&format!("codex-{id}")).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    let secret = secrets.get(&format!("codex-{id}")).await.unwrap();
    let data = secret.data.unwrap();
    let text = |key: &str| String::from_utf8(data[key].0.clone()).unwrap();
    assert_eq!(text("prompt"), "Be brief.\n\nHello");
    let task = world.tasks.get(&id).await.unwrap();
    assert_eq!(text("nonce"), world.nonce(&task));

    let public = std::fs::read(world.setup.path("token.pub")).unwrap();
    let key = jsonwebtoken::DecodingKey::from_ed_pem(&public).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["pod-proxy"]);
    validation.set_issuer(&["codex-operator"]);
    let token =
        jsonwebtoken::decode::<serde_json::Value>(text("token"), &key, &validation).unwrap();
    assert_eq!(token.claims["sub"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_made_with_kubectl_has_its_uid_as_id() {
    let world = World::new().await;
    let _operator = world.start();
    let task = world.create("nightly", json!({"prompt": "Hello"})).await;
    let id = task.metadata.uid.unwrap();
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    let status = world.until_phase("nightly", Phase::Completed).await;
    assert_eq!(status.pod_name, Some(format!("codex-{id}")));
    whole(&world.archived(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_task_goes_when_its_time_is_over() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "ttlSecondsAfterFinished": 0}))
        .await;
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    world.until_gone(&id).await;
    whole(&world.archived(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_answer() {
    let world = World::new().await;
    let operator = world.start();
    let address = operator.listen();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.raw(b"not a frame\n");
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let text = fetch(address, "/metrics").await;
    assert!(
        text.contains("codex_operator_dropped_lines_total 1\n"),
        "{text}"
    );
    assert!(
        text.contains("codex_operator_start_latency_seconds_count 1\n"),
        "{text}"
    );
    assert!(fetch(address, "/readyz").await.contains("200 OK"));
    assert!(fetch(address, "/healthz").await.contains("200 OK"));
    operator.stop();
}
