//! How much one user may do. The first tests are about counting and run against both counts, the others about HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_gateway::limits::{Failing, MemoryLimiter, Rate, RateLimiter};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::process::Gateway;
use crate::support::redis::Redis;
use crate::support::until;
use crate::support::world::World;

async fn passes(limiter: &dyn RateLimiter, name: &str, rate: Rate) -> bool {
    limiter.take(name, rate).await.unwrap().passes
}

/// What both counts have to do.
async fn counts_right(limiter: Arc<dyn RateLimiter>) {
    // One a minute comes back during the test at most.
    let rate = Rate::with_burst(1, 3);
    let all = futures::future::join_all((0..20).map(|_| limiter.take("many", rate))).await;
    let decisions: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(decisions.iter().filter(|it| it.passes).count(), 3);
    let mut left: Vec<u32> = decisions
        .iter()
        .filter(|it| it.passes)
        .map(|it| it.remaining)
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
    let refused = decisions.iter().find(|it| !it.passes).unwrap();
    assert_eq!((refused.limit, refused.remaining), (3, 0));
    let minute = Duration::from_secs(60);
    assert!(refused.retry_after <= minute && refused.retry_after > minute / 2);
    assert!(refused.reset <= 3 * minute && refused.reset > 2 * minute);
    assert!(passes(&*limiter, "other", rate).await, "names are apart");

    // Whoever waits as long as told passes, and not much earlier.
    let quick = Rate::with_burst(600, 1);
    assert!(passes(&*limiter, "quick", quick).await);
    let refused = limiter.take("quick", quick).await.unwrap();
    assert!(!refused.passes);
    let begun = Instant::now();
    until("the next request to pass", async || {
        passes(&*limiter, "quick", quick).await.then_some(())
    })
    .await;
    assert!(begun.elapsed() + Duration::from_millis(5) >= refused.retry_after);

    assert!(passes(&*limiter, "free", Rate::UNLIMITED).await);
}

#[tokio::test]
async fn this_process_counts_right() {
    counts_right(Arc::new(MemoryLimiter::default())).await;
}

#[tokio::test]
async fn redis_counts_right_for_all() {
    let mut redis = Redis::start().await;
    counts_right(redis.limiter()).await;
    let (one, other) = (redis.limiter(), redis.limiter());
    let rate = Rate::with_burst(1, 2);
    assert!(passes(&*one, "shared", rate).await && passes(&*other, "shared", rate).await);
    assert!(!passes(&*one, "shared", rate).await && !passes(&*other, "shared", rate).await);

    redis.kill();
    assert!(one.take("shared", rate).await.is_err());
    // While it is away nobody waits for it.
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(one.take("shared", rate).await.is_err());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    redis.run().await;
    until("the count to go on", async || {
        one.take("after", rate).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let world = World::start_with(|setup| {
        setup.settings.rates.writes = Rate::with_burst(1, 2);
        setup.settings.rates.reads = Rate::with_burst(1, 4);
    })
    .await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let submit = |client: &crate::support::client::Client| {
        let client = client.clone();
        async move { client.post("/api/tasks", &json!({ "prompt": "x" })).await }
    };
    for left in ["1", "0"] {
        let answer = submit(&ada).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.headers["ratelimit-limit"], "2");
        assert_eq!(answer.headers["ratelimit-remaining"], left);
    }
    let refused = submit(&ada).await;
    assert_eq!((refused.status, refused.error()), (429, "rate_limited"));
    assert_eq!(refused.headers["ratelimit-remaining"], "0");
    let seconds = |name: &str| -> u64 { refused.headers[name].to_str().unwrap().parse().unwrap() };
    assert!((30..=60).contains(&seconds("retry-after")));
    assert!((90..=120).contains(&seconds("ratelimit-reset")));
    // Looking is counted apart, and so is everybody.
    assert_eq!(ada.get("/api/tasks").await.headers["ratelimit-limit"], "4");
    assert_eq!(submit(&bob).await.status, 201);
    assert_eq!(submit(&world.admin().await).await.status, 201);
    let anonymous = world.stranger().get("/api/tasks").await;
    assert_eq!(anonymous.status, 401);
    assert!(!anonymous.headers.contains_key("ratelimit-limit"));
    let metrics = ada.get("/metrics").await.body;
    assert!(
        metrics
            .as_str()
            .unwrap()
            .contains("codex_gateway_requests_limited_total 1\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_share_the_count_and_redis_may_be_away() {
    let mut redis = Redis::start().await;
    let world = World::start_with(|setup| {
        setup.limiter = Some(redis.limiter());
        setup.settings.rates.writes = Rate::with_burst(1, 4);
    })
    .await;
    let mut setup = world.setup.clone();
    setup.limiter = Some(redis.limiter());
    setup.settings.rates.failing = Failing::Closed;
    let strict = Gateway::start(setup).await;
    let ada = world.user("ada").await;
    let there = ada.at(&strict.url);
    let task = json!({ "prompt": "x" });
    for client in [&ada, &there, &ada, &there] {
        assert_eq!(client.post("/api/tasks", &task).await.status, 201);
    }
    for client in [&ada, &there] {
        assert_eq!(
            client.post("/api/tasks", &task).await.error(),
            "rate_limited"
        );
        let ready = until("both to be ready", async || {
            let answer = client.get("/readyz").await;
            (answer.status == 200).then_some(answer.body)
        })
        .await;
        assert_eq!(ready["rate_limits"], "redis");
    }

    redis.kill();
    // Open: the gateway counts for itself, from the start. Closed: it says what is missing.
    for _ in 0..4 {
        assert_eq!(ada.post("/api/tasks", &task).await.status, 201);
    }
    assert_eq!(ada.post("/api/tasks", &task).await.error(), "rate_limited");
    assert_eq!(ada.get("/readyz").await.body["rate_limits"], "degraded");
    let refused = there.post("/api/tasks", &task).await;
    assert_eq!((refused.status, refused.error()), (503, "unavailable"));
    assert_eq!(refused.body["error"]["details"]["store"], "redis");
    let unready = there.get("/readyz").await;
    assert_eq!(
        (unready.status, &unready.body["error"]["details"]["store"]),
        (503, &json!("redis"))
    );
    let metrics = there.get("/metrics").await.body;
    assert!(
        !metrics
            .as_str()
            .unwrap()
            .contains("rate_limit_store_errors_total 0\n"),
        "{metrics}"
    );

    redis.run().await;
    until("the count to be shared again", async || {
        (there.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(there.post("/api/tasks", &task).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_has_so_many_tasks_and_no_more() {
    let world = World::start_with(|setup| setup.settings.tasks_per_user = 3).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let task = json!({ "prompt": "x" });
    let with_key = |key: &str| {
        ada.request(Method::POST, "/api/tasks")
            .header("idempotency-key", key)
            .json(&task)
    };
    let first = ada.send(with_key("k")).await;
    assert_eq!(first.status, 201);
    // All at once, so that everybody would find a place free who only looked.
    let answers = futures::future::join_all((0..10).map(|_| ada.post("/api/tasks", &task))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(accepted, 2);
    let refused = answers.iter().find(|answer| answer.status != 201).unwrap();
    assert_eq!((refused.status, refused.error()), (429, "too_many_tasks"));
    assert!(refused.headers.contains_key("retry-after"));
    // A repetition is no new task.
    let again = ada.send(with_key("k")).await;
    assert_eq!(
        (again.status, &again.body["task_id"]),
        (201, &first.body["task_id"])
    );
    assert_eq!(ada.send(with_key("new")).await.error(), "too_many_tasks");
    assert_eq!(bob.post("/api/tasks", &task).await.status, 201);

    let id = first.body["task_id"].as_str().unwrap();
    world.resource(id).await;
    world
        .set_status(
            id,
            json!({ "phase": "completed", "exitCode": 0, "finishedAt": "2026-01-02T03:04:06Z" }),
        )
        .await;
    ada.task_in(id, "completed").await;
    assert_eq!(ada.send(with_key("new")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let patience = Duration::from_millis(300);
    let world = World::start_with(|setup| setup.settings.body_timeout = patience).await;
    let admin = world.admin().await;
    let address = world
        .gateway()
        .url
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    let token = admin.token.as_deref().unwrap();
    let head = format!(
        "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"prompt\":"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // A byte now and then does not help.
    let (mut reader, mut writer) = socket.into_split();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut text = Vec::new();
    let end = reader.read_to_end(&mut text);
    // The other end may be reset, because it did not read everything.
    let _ = tokio::time::timeout(crate::support::DEADLINE, end)
        .await
        .expect("the end in time");
    dripping.abort();
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(
        text.contains("body_too_slow") && text.contains("connection: close"),
        "{text}"
    );
    assert_eq!(admin.get("/api/tasks").await.body["total"], 0);
}
