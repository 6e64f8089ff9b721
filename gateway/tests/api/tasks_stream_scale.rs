//! `GET /api/tasks/{id}/stream` with many clients, and with slow ones: what it costs the process that serves them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use codex_tasklog::{Body, LiveLogWriter as _, Stream};
use futures::StreamExt as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::client::{Client as HttpClient, numbers};
use crate::support::program::Program;
use crate::support::raw::Raw;
use crate::support::world::{PASSWORD, World, frame};
use crate::support::{DEADLINE, until};

async fn running(world: &World, client: &HttpClient) -> String {
    let id = world.submitted(client).await;
    world.set_status(&id, json!({ "phase": "running" })).await;
    id
}

/// How many streams are opened, unless `CODEX_TEST_STREAMS` names fewer.
fn streams() -> usize {
    let given = std::env::var("CODEX_TEST_STREAMS").ok();
    given.map_or(10_000, |text| text.parse().unwrap())
}

/// Lets this process, and the programs that it starts, have so many files open.
fn allow_files(wanted: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(
        hard >= wanted,
        "{wanted} open files are needed and {hard} allowed: raise the limit with `ulimit -Hn`, or set CODEX_TEST_STREAMS"
    );
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).unwrap();
}

/// An open stream of which nothing is read but where it has to be.
struct Client {
    socket: TcpStream,
}

impl Client {
    /// One of many: each two hundred of them are a machine of their own.
    async fn open(number: usize, address: SocketAddr, request: &[u8]) -> Self {
        let machine = u8::try_from(number / 200 + 2).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        let from = Ipv4Addr::new(127, 0, 1, machine);
        socket.bind((from, 0).into()).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        socket.write_all(request).await.unwrap();
        let mut client = Self { socket };
        let head = client.take_until(b"\n\n").await;
        assert!(
            head.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        client
    }

    /// Reads up to where something stands at the end. Between two events nothing more comes.
    async fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut taken = Vec::new();
        while !taken.ends_with(end) {
            assert!(self.read(&mut taken).await > 0, "it ends too early");
        }
        taken
    }

    /// Reads to the end of the connection.
    async fn read_to_end(mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        while self.read(&mut taken).await > 0 {}
        taken
    }

    async fn read(&mut self, taken: &mut Vec<u8>) -> usize {
        // Small at first: there are ten thousand of them.
        taken.reserve(1024);
        let read = tokio::time::timeout(DEADLINE, self.socket.read_buf(taken));
        read.await.expect("more in time").unwrap()
    }
}

/// How long a request takes at two gateways in turn, the median of each. Whatever else the machine does meets both.
async fn compare(path: &str, one: &HttpClient, other: &HttpClient) -> (Duration, Duration) {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..101 {
        for (client, taken) in [one, other].into_iter().zip(&mut taken) {
            let begun = Instant::now();
            assert_eq!(client.get(path).await.status, 200);
            taken.push(begun.elapsed());
        }
    }
    let [one, other] = taken.map(|mut all| {
        all.sort();
        all[all.len() / 2]
    });
    (one, other)
}

/// What the event of the first line ends with.
const LINE_1: &[u8] =
    b"\"line\":\"line 1\",\"ts\":\"2026-01-02T03:04:05.000006Z\",\"stream\":\"stderr\"}\n\n";

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_of_one_user_are_cheap_and_one_more_is_refused() {
    let count = streams();
    allow_files(count as u64 + 1000);
    let world = World::start().await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let bob = world.user("bob").await;
    let of_ada = running(&world, &ada).await;
    let of_bob = running(&world, &bob).await;
    let limit = count.to_string();
    let limits = [
        ("CODEX_STREAMS_PER_USER", limit.as_str()),
        ("CODEX_STREAMS_TOTAL", "12000"),
        ("CODEX_RATE_READS", "0"),
    ];
    let gateway = Program::start(&world, &limits).await;
    let idle = Program::start(&world, &limits).await;
    let body = json!({ "email": "ada@example.test", "password": PASSWORD });
    let session = ada.at(&gateway.url).post("/auth/login", &body).await.body;
    let token = session["access_token"].as_str().unwrap();
    let here = HttpClient::new(&gateway.url, Some(token.to_owned()));

    let path = format!("/api/tasks/{of_ada}/stream");
    let address: SocketAddr = gateway.address().parse().unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    let open = |numbers: std::ops::Range<usize>| {
        let opening = numbers.map(|number| Client::open(number, address, request.as_bytes()));
        let opening = futures::stream::iter(opening).buffer_unordered(32);
        opening.collect::<Vec<_>>()
    };
    // What the first ones need is there once for all.
    let mut clients = open(0..100).await;
    let before = gateway.memory("VmRSS");
    let started = Instant::now();
    clients.extend(open(100..count).await);
    let opened = started.elapsed();

    let refused = here.get(&path).await;
    assert_eq!((refused.status, refused.error()), (429, "too_many_streams"));
    assert_eq!(refused.headers["retry-after"], "5");
    let message = refused.body["error"]["message"].as_str().unwrap();
    let told = format!("you have {count} streams open");
    assert!(message.contains(&told), "{message}");

    // Others are not concerned: what they ask for takes no longer than at a gateway without streams, and they have streams too.
    let task = format!("/api/tasks/{of_bob}");
    let (busy, quiet) = compare(&task, &bob.at(&gateway.url), &bob.at(&idle.url)).await;
    assert!(busy < quiet * 3, "{busy:?}, and {quiet:?} without streams");
    let mut other = bob.at(&gateway.url).stream(&of_bob, "", None).await;
    world.write_lines(&of_bob, 1..=1).await;
    let events = other.take_until(|event| event.id == Some(1)).await;
    assert_eq!(numbers(&events), [1]);

    // All of them live.
    world.write_lines(&of_ada, 1..=1).await;
    let started = Instant::now();
    for client in &mut clients {
        // After the comments that came meanwhile.
        client.take_until(LINE_1).await;
    }
    let told = started.elapsed();
    let each = gateway.memory("VmRSS").saturating_sub(before) / (count as u64 - 100);
    assert!(each < 4096, "{each}");

    // And all of them end with the session.
    let body = json!({ "refresh_token": session["refresh_token"] });
    let started = Instant::now();
    assert_eq!(here.post("/auth/logout", &body).await.status, 204);
    for client in clients {
        let rest = client.read_to_end().await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(!rest.contains("event:"), "{rest}");
    }
    let ended = started.elapsed();
    until("the places to be free", async || {
        let metrics = admin.at(&gateway.url).get("/metrics").await.body;
        let metrics = metrics.as_str().unwrap().to_owned();
        metrics
            .contains("codex_gateway_streams_open 1\n")
            .then_some(())
    })
    .await;
    world.write_lines(&of_bob, 2..=2).await;
    let events = other.take_until(|event| event.id == Some(2)).await;
    assert_eq!(numbers(&events), [2]);
    println!(
        "{count} streams opened in {opened:?}, {each} bytes of memory each; a line to all in {told:?}; ended in {ended:?}; \
         requests of others {busy:?}, and {quiet:?} without streams"
    );
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
        let read = tokio::time::timeout(DEADLINE, self.raw.socket.read(buffer));
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
