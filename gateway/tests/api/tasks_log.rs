//! `GET /api/tasks/{id}/log` and `/patch`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use codex_tasklog::{Archive as _, Body, LiveLogWriter as _, Stream};
use futures::StreamExt as _;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::program::Program;
use crate::support::world::{World, frame};

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

fn lines(numbers: std::ops::RangeInclusive<u64>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_log_is_enough() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let path = |query: &str| format!("/api/tasks/{id}/log{query}");
    // A line of three frames counts once.
    world.write_lines(&id, 1..=300).await;
    for (seq, more) in [(301, true), (302, true), (303, false)] {
        let text = format!("<{seq}>");
        let stream = Stream::Stdout;
        world
            .write(&id, seq, Body::Line { stream, text, more })
            .await;
    }
    world.write_lines(&id, 304..=305).await;
    let long = "<301><302><303>\n";
    let end = format!("{long}{}", lines(304..=305));
    let check = async || {
        for (query, expected) in [
            ("?tail=2", lines(304..=305)),
            ("?tail=3", end.clone()),
            ("?tail=4", format!("line 300\n{end}")),
            ("?tail=0", String::new()),
            ("?tail=100000", format!("{}{end}", lines(1..=300))),
            ("?after=303", lines(304..=305)),
            ("?after=299", format!("line 300\n{end}")),
            ("?after=305", String::new()),
            ("?after=9000", String::new()),
            ("?after=304&tail=3", lines(305..=305)),
            ("?after=10&tail=2", lines(304..=305)),
        ] {
            assert_eq!(admin.get(&path(query)).await.body, expected, "{query}");
        }
    };
    check().await;
    world.finish(&id, 305).await;
    admin.task_in(&id, "completed").await;
    check().await;
    for query in [
        "?format=",
        "?tail=",
        "?tail=-1",
        "?tail=x",
        "?tail=100001",
        "?after=",
        "?after=x",
        "?after=%2B1",
        "?after=-1",
        "?after=9007199254740992",
    ] {
        let answer = admin.get(&path(query)).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{query}"
        );
    }
}

/// What a program makes of some input.
fn piped(program: &str, input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn format_and_encoding_are_negotiated() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    world.write_lines(&id, 1..=5000).await;
    let path = format!("/api/tasks/{id}/log");
    let get = async |encoding: &str, accept: &str| {
        let request = admin
            .request(Method::GET, &path)
            .header(ACCEPT_ENCODING, encoding);
        request.header(ACCEPT, accept).send().await.unwrap()
    };
    let text = lines(1..=5000);
    for (encoding, name) in [
        ("gzip", Some("gzip")),
        ("gzip;q=0.8, zstd;q=0.9", Some("zstd")),
        ("identity, gzip;q=0.1", None),
        ("br", None),
    ] {
        let response = get(encoding, "*/*").await;
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(headers["vary"], "accept, accept-encoding");
        assert_eq!(
            headers["content-disposition"],
            format!("attachment; filename=\"task-{id}.log\"")
        );
        let encoded = headers
            .get("content-encoding")
            .map(|name| name.to_str().unwrap());
        assert_eq!(encoded, name, "{encoding}");
        let body = response.bytes().await.unwrap().to_vec();
        let decoded = match name {
            Some("gzip") => piped("gzip", body),
            Some(_) => zstd::decode_all(&body[..]).unwrap(),
            None => body,
        };
        assert!(decoded == text.as_bytes(), "{encoding}");
    }
    let response = get("zstd", "application/x-ndjson, text/plain;q=0.5").await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let name = &response.headers()["content-disposition"];
    assert!(name.to_str().unwrap().ends_with(".ndjson\""));
    let body = zstd::decode_all(&response.bytes().await.unwrap()[..]).unwrap();
    assert_eq!(String::from_utf8(body).unwrap().lines().count(), 5000);

    let refused = admin
        .send(
            admin
                .request(Method::GET, &path)
                .header(ACCEPT_ENCODING, "identity;q=0"),
        )
        .await;
    assert_eq!((refused.status, refused.error()), (406, "not_acceptable"));
    // An error is no log, and is not compressed.
    let missing = format!("/api/tasks/{}/log", uuid::Uuid::now_v7());
    let missing = admin
        .request(Method::GET, &missing)
        .header(ACCEPT_ENCODING, "gzip");
    assert_eq!(admin.send(missing).await.error(), "not_found");
}

/// Reads a body at the pace that the gateway has; answers with its size and its first bytes.
async fn drained(client: &Client, path: &str, encoding: &str) -> (u64, Vec<u8>) {
    let request = client
        .request(Method::GET, path)
        .header(ACCEPT_ENCODING, encoding);
    let mut body = request.send().await.unwrap().bytes_stream();
    let (mut size, mut first) = (0, Vec::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        size += chunk.len() as u64;
        if first.len() < 64 {
            first.extend_from_slice(&chunk);
        }
    }
    (size, first)
}

/// A long log of a task that runs, most of it uploaded already: the gateway holds a small part of it at any time. `CODEX_TEST_LOG_MB` makes it
/// longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_takes_little_memory() {
    const LENGTH: usize = 8_000;
    let megabytes = std::env::var("CODEX_TEST_LOG_MB").ok();
    let megabytes: u64 = megabytes.map_or(32, |text| text.parse().unwrap());
    let last = megabytes * 128;
    let world = World::start().await;
    let admin = world.admin().await;
    let id = world.submitted(&admin).await;
    let mut writer = world.setup.archive.writer(&id).await.unwrap();
    for start in (1..=last).step_by(256) {
        let frames: Vec<Arc<_>> = (start..start + 256)
            .map(|seq| {
                let text = format!("{seq:0LENGTH$}");
                let stream = Stream::Stdout;
                frame(
                    seq,
                    Body::Line {
                        stream,
                        text,
                        more: false,
                    },
                )
            })
            .collect();
        writer.append(&frames).await.unwrap();
        // The live log has the end of it only, as it would have after such a log.
        if start + 256 > last {
            world.store.trim(&id, start - 1).await.unwrap();
            world.store.append(&id, &frames).await.unwrap();
        }
    }
    let gateway = Program::start(&world, &[]).await;
    let client = gateway.admin().await;
    let path = format!("/api/tasks/{id}/log");
    let size = last * (LENGTH as u64 + 1);
    drained(&client, &format!("{path}?tail=10"), "identity").await;
    let before = gateway.memory("VmHWM");
    let (live, first) = drained(&client, &path, "identity").await;
    assert_eq!(live, size);
    assert!(first.starts_with(b"00000000"));
    let (compressed, _) = drained(&client, &path, "zstd").await;
    assert!(compressed < size / 20, "{compressed}");
    let (tail, _) = drained(&client, &format!("{path}?tail={}", last / 2), "identity").await;
    assert_eq!(tail, size / 2);
    let peak = gateway.memory("VmHWM") - before;
    println!(
        "{} MB of log: {} kB more memory at the peak",
        size >> 20,
        peak >> 10
    );
    assert!(peak < 24 << 20, "{peak}");
}
