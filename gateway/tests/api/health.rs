//! `/healthz`, `/readyz`, `/metrics`, `/api/repositories`.

use crate::support::until;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_the_store_that_is_away() {
    let world = World::start().await;
    let stranger = world.stranger();
    assert_eq!(stranger.get("/healthz").await.status, 200);
    until("the gateway to be ready", async || {
        (stranger.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    world.gateway().faults.set_away(true);
    let answer = stranger.get("/readyz").await;
    assert_eq!((answer.status, answer.error()), (503, "unavailable"));
    assert_eq!(answer.body["error"]["details"]["store"], "kubernetes");
    assert_eq!(stranger.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count() {
    let world = World::start().await;
    let admin = world.admin().await;
    world.submitted(&admin).await;
    let text = admin.get("/metrics").await.body;
    let text = text.as_str().unwrap();
    assert!(
        text.contains("codex_gateway_tasks_accepted_total 1\n"),
        "{text}"
    );
    assert!(
        text.contains("codex_gateway_http_responses_total{class=\"2xx\"}"),
        "{text}"
    );
    assert!(text.contains("codex_gateway_outbox_pending "), "{text}");
    for (phase, count) in [("queued", 1), ("running", 0)] {
        let line = format!("codex_gateway_tasks{{phase=\"{phase}\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_listed_without_their_sources() {
    let world = World::start().await;
    let answer = world.admin().await.get("/api/repositories").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let list = answer.body["repositories"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(
        (list[0]["name"].as_str(), list[0]["default"].as_bool()),
        (Some("app"), Some(true))
    );
    assert_eq!(
        (list[1]["path"].as_str(), list[1]["default"].as_bool()),
        (Some("/srv/repos/web"), Some(false))
    );
    assert!(!answer.body.to_string().contains("/tmp"), "{}", answer.body);
}
