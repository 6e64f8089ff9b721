//! Clients that take their time.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::{assert_well, connect, rest, statuses};
use crate::support::world::World;

/// What a gateway of these tests allows.
const PATIENCE: Duration = Duration::from_millis(500);

async fn world() -> World {
    World::start_with(|setup| {
        setup.settings.header_timeout = PATIENCE;
        setup.settings.body_timeout = PATIENCE;
    })
    .await
}

/// Sends the beginning, and then a byte of the rest again and again, well within the time for one byte.
async fn drip(world: &World, beginning: &str, byte: &'static [u8]) -> String {
    let (mut reader, mut writer) = connect(world).await.into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while writer.write_all(byte).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let answer = rest(&mut reader).await;
    dripping.abort();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_are_cut_off() {
    let world = world().await;
    let beginnings = [
        "G",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost: ",
    ];
    let slow = beginnings
        .iter()
        .cycle()
        .take(60)
        .map(|beginning| drip(&world, beginning, b"a"));
    // Others are served while they hang on.
    let (answers, ()) = tokio::join!(futures::future::join_all(slow), assert_well(&world));
    for (beginning, answer) in beginnings.iter().cycle().zip(answers) {
        let complete = usize::from(beginning.contains("\r\n\r\n"));
        let served = statuses(&answer);
        let served = served.iter().filter(|status| **status == 200).count();
        assert_eq!(served, complete, "{beginning}: {answer}");
    }
    assert_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_closed() {
    let world = world().await;
    let mut silent = connect(&world).await;
    assert_eq!(rest(&mut silent).await, "");
    // Neither does one stay that was good once.
    let mut idle = connect(&world).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(statuses(&rest(&mut idle).await), [200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_are_not_waited_for() {
    let world = world().await;
    let admin = world.admin().await;
    let token = admin.token.as_deref().unwrap();
    let head = |line: &str, framing: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n"
        )
    };
    let long = "content-length: 1000000";
    let chunks = "transfer-encoding: chunked";
    for (what, beginning, byte, expected) in [
        ("a body", head("POST /api/tasks", long), &b" "[..], 408),
        (
            "chunks",
            head("POST /api/tasks", chunks),
            b"1\r\n \r\n",
            408,
        ),
        ("a login", head("POST /auth/login", long), b" ", 408),
        // Nobody reads those bodies; the connection must not wait for them either.
        ("no route", head("POST /api/nothing", long), b" ", 404),
        ("another method", head("PUT /api/tasks", long), b" ", 405),
        ("a GET", head("GET /api/tasks", long), b" ", 200),
        (
            "a GET in chunks",
            head("GET /api/tasks", chunks),
            b"1\r\n \r\n",
            200,
        ),
        (
            "nobody",
            head("POST /api/tasks", long).replace(token, "x"),
            b" ",
            401,
        ),
    ] {
        let answer = drip(&world, &beginning, byte).await;
        assert_eq!(statuses(&answer), [expected], "{what}: {answer}");
    }
    assert_eq!(admin.get("/api/tasks").await.body["total"], 0);
}
