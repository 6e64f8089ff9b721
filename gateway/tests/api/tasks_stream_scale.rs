//! `GET /api/tasks/{id}/stream` with many clients, and with slow ones: what it costs the process that serves them.

use std::time::{Duration, Instant};

use codex_tasklog::{Body, LiveLogWriter as _, Stream};
use futures::StreamExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::support::client::{Client, numbers};
use crate::support::program::Program;
use crate::support::raw::Raw;
use crate::support::world::{World, frame};

async fn running(world: &World, client: &Client) -> String {
    let id = world.submitted(client).await;
    world.set_status(&id, json!({ "phase": "running" })).await;
    id
}

/// How many streams are opened: `CODEX_TEST_STREAMS`, because each costs a few queries, and ten thousand take minutes in a debug build.
fn streams() -> usize {
    let given = std::env::var("CODEX_TEST_STREAMS").ok();
    given.map_or(600, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_streams_of_one_user_are_cheap_and_one_more_is_refused() {
    let count = streams();
    let world = World::start().await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let of_admin = running(&world, &admin).await;
    let of_ada = running(&world, &ada).await;
    let limit = count.to_string();
    let limits = [
        ("CODEX_STREAMS_PER_USER", limit.as_str()),
        ("CODEX_STREAMS_TOTAL", "12000"),
        ("CODEX_RATE_READS_ADMIN", "0"),
    ];
    let gateway = Program::start(&world, &limits).await;
    let path = format!("/api/tasks/{of_admin}/stream");
    let token = admin.token.clone().unwrap();
    let connect = async |_| {
        let mut raw = Raw::get(gateway.address(), &path, &token, None).await;
        raw.until(b"\n\n").await;
        raw
    };
    // What the first ones need is there once for all.
    let mut streams: Vec<_> = futures::stream::iter(0..100)
        .map(connect)
        .buffer_unordered(32)
        .collect()
        .await;
    let before = gateway.memory("VmRSS");
    let started = Instant::now();
    let more = futures::stream::iter(100..count).map(connect);
    streams.extend(more.buffer_unordered(32).collect::<Vec<_>>().await);
    let opened = started.elapsed();

    let here = admin.at(&gateway.url);
    let refused = here.get(&path).await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_streams"));
    assert_eq!(refused.headers["retry-after"], "5");
    let message = refused.body["error"]["message"].as_str().unwrap();
    let told = format!("you have {count} streams open");
    assert!(message.contains(&told), "{message}");
    // Others are not concerned.
    let mut other = ada.at(&gateway.url).stream(&of_ada, "", None).await;
    world.write_lines(&of_ada, 1..=1).await;
    let events = other.take_until(|event| event.id == Some(1)).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(here.task(&of_admin).await["status"], "running");

    // All of them live.
    world.write_lines(&of_admin, 1..=1).await;
    for stream in &mut streams {
        stream.until(b"\"line\":\"line 1\"").await;
    }
    let each = gateway.memory("VmRSS").saturating_sub(before) / (count as u64 - 100);
    println!("{count} streams in {opened:?}: {each} bytes of memory each");
    assert!(each < 4096, "{each}");
}

/// The hash of what follows the first status, up to the last line.
struct Reader {
    raw: Raw,
    hasher: Sha256,
    read: usize,
}

impl Reader {
    async fn open(gateway: &Program, path: &str, token: &str, receive: Option<u32>) -> Self {
        let mut raw = Raw::get(gateway.address(), path, token, receive).await;
        raw.until(b"\n\n").await;
        let read = raw.body.len();
        let mut hasher = Sha256::new();
        hasher.update(std::mem::take(&mut raw.body));
        Self { raw, hasher, read }
    }

    async fn take(&mut self, buffer: &mut [u8]) {
        let read = tokio::time::timeout(crate::support::DEADLINE, self.raw.socket.read(buffer));
        let count = read.await.expect("more in time").unwrap();
        assert!(count > 0, "it ends after {} bytes", self.read);
        self.hasher.update(&buffer[..count]);
        self.read += count;
    }

    async fn up_to(mut self, size: usize) -> String {
        let mut buffer = vec![0; 64 * 1024];
        while self.read < size {
            let most = buffer.len().min(size - self.read);
            self.take(&mut buffer[..most]).await;
        }
        hex::encode(self.hasher.finalize())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_a_byte_a_second_costs_the_others_nothing() {
    const LINES: u64 = 1500;
    const FAST: usize = 50;
    let world = World::start().await;
    let admin = world.admin().await;
    let id = running(&world, &admin).await;
    let gateway = Program::start(&world, &[("CODEX_STREAMS_PER_USER", "100")]).await;
    let (path, token) = (
        format!("/api/tasks/{id}/stream"),
        admin.token.clone().unwrap(),
    );
    let slow = Reader::open(&gateway, &path, &token, Some(4096)).await;
    let before = gateway.memory("VmRSS");

    let text = "x".repeat(7000);
    let mut expected = Vec::new();
    let mut frames = Vec::new();
    for seq in 1..=LINES {
        let (stream, text) = (Stream::Stdout, format!("{seq} {text}"));
        let data = json!({ "line": text, "ts": "2026-01-02T03:04:05.000006Z", "stream": "stdout" });
        expected.extend_from_slice(format!("event: log\nid: {seq}\ndata: {data}\n\n").as_bytes());
        frames.push(frame(
            seq,
            Body::Line {
                stream,
                text,
                more: false,
            },
        ));
    }
    let size = expected.len();
    let expected = hex::encode(Sha256::digest(&expected));

    let mut readers = Vec::new();
    for _ in 0..FAST {
        let reader = Reader::open(&gateway, &path, &token, None).await;
        readers.push(tokio::spawn(reader.up_to(size)));
    }
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let slow = tokio::spawn(async move {
        let mut slow = slow;
        let mut every = tokio::time::interval(Duration::from_secs(1));
        while stopped.try_recv().is_err() {
            every.tick().await;
            slow.take(&mut [0]).await;
        }
        slow
    });
    let started = Instant::now();
    for batch in frames.chunks(50) {
        world.store.append(&id, batch).await.unwrap();
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
    let taken = started.elapsed();
    let held = gateway.memory("VmHWM").saturating_sub(before);
    println!(
        "{FAST} clients took {} MB each in {taken:?} beside a slow one; {} kB more memory at the peak",
        size >> 20,
        held >> 10
    );
    // The ring has 4 MB, and each connection a part of one segment more.
    assert!(held < 48 << 20, "{held}");
    stop.send(()).unwrap();
    let slow = slow.await.unwrap();
    assert!(slow.read < 10_000, "{}", slow.read);
    // When it wants, it has everything too.
    assert_eq!(slow.up_to(size).await, expected);
}
