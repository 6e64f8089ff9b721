//! What a user may do, at both together and at each.

use serde_json::json;

use super::Site;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_shared_as_far_as_they_are_said_to_be() {
    let site = Site::start(&[
        ("CODEX_RATE_WRITES", "1:6"),
        ("CODEX_TASKS_PER_USER", "4"),
        ("CODEX_STREAMS_PER_USER", "3"),
    ])
    .await;
    let ada = site.user("ada").await;
    let task = json!({ "prompt": "x" });

    // Tasks are counted in the database, for both.
    let answers = futures::future::join_all((0..5).map(|_| ada.post("/api/tasks", &task))).await;
    let mut left: Vec<u32> = Vec::new();
    let mut accepted = Vec::new();
    for answer in &answers {
        let remaining = answer.headers["ratelimit-remaining"].to_str().unwrap();
        left.push(remaining.parse().unwrap());
        assert_eq!(answer.headers["ratelimit-limit"], "6");
        if answer.status == 201 {
            accepted.push(answer.body["task_id"].as_str().unwrap().to_owned());
        } else {
            assert_eq!((answer.status, answer.error()), (429, "too_many_tasks"));
        }
    }
    assert_eq!(accepted.len(), 4);
    // Requests in Redis: one number counts down, whoever answers. Signing in was nobody's request yet.
    left.sort_unstable();
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert_eq!(
        ada.post("/api/tasks", &task).await.headers["ratelimit-remaining"],
        "0"
    );
    for client in [
        &ada,
        &ada.at(&site.gateway(0).url),
        &ada.at(&site.gateway(1).url),
    ] {
        let refused = client.post("/api/tasks", &task).await;
        assert_eq!((refused.status, refused.error()), (429, "rate_limited"));
        assert_eq!(refused.headers["ratelimit-remaining"], "0");
        let wait: u64 = refused.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let of = [
        site.metric(0, "codex_gateway_tasks_accepted_total ").await,
        site.metric(1, "codex_gateway_tasks_accepted_total ").await,
    ];
    assert!(of[0] + of[1] == 4 && of[0] > 0 && of[1] > 0, "{of:?}");

    // Streams by each gateway for itself: nginx spreads them, so that a user has as many on each.
    let path = format!("/api/tasks/{}/stream", accepted[0]);
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(ada.stream(&accepted[0], "", None).await);
    }
    for index in [0, 1] {
        assert_eq!(site.metric(index, "codex_gateway_streams_open ").await, 3);
    }
    let refused = ada.get(&path).await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_streams"));
    assert_eq!(refused.headers["retry-after"], "5");
    streams.pop();
    until("the place to be free", async || {
        ada.try_stream(&accepted[0], "0").await
    })
    .await;
}
