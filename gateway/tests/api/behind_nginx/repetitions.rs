//! What nginx asks the other gateway when one has not answered.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::HERE;
use crate::support::nginx::Nginx;

/// A gateway that takes requests and dies before it answers; it remembers what it was asked.
struct Dying {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Dying {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        let mut server = JoinSet::new();
        server.spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut text = Vec::new();
                while !text.ends_with(b"\r\n\r\n") && !text.ends_with(b"}") {
                    if socket.read_buf(&mut text).await.unwrap() == 0 {
                        break;
                    }
                }
                let text = String::from_utf8(text).unwrap();
                let path = text.split(" HTTP").next().unwrap().to_owned();
                noted.lock().unwrap().push(path);
                // Cut off, as by SIGKILL.
                let _ = socket.shutdown().await;
            }
        });
        Self {
            address,
            asked,
            _server: server,
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_be_repeated_is_sent_twice() {
    let (one, other) = (Dying::start().await, Dying::start().await);
    let task = json!({ "prompt": "x" });
    let key = ("idempotency-key", "k");
    // Without a key once, to whichever of them; with one, and what only looks, to both.
    let cases = [
        (Method::POST, "/api/tasks", None, 1),
        (Method::POST, "/api/tasks", Some(key), 2),
        (Method::POST, "/api/users", Some(key), 1),
        (Method::POST, "/auth/refresh", Some(key), 1),
        (Method::PATCH, "/api/users/x", Some(key), 1),
        (Method::GET, "/api/tasks", None, 2),
        (Method::GET, "/api/tasks/x/stream", None, 2),
        (Method::DELETE, "/api/tasks/x", None, 2),
    ];
    for (method, path, header, times) in cases {
        // A new nginx each time: the one before has learnt that nobody is there.
        let nginx = Nginx::start([&one.address, &other.address]).await;
        let client = nginx.client(Some("token"), HERE);
        let mut request = client.request(method.clone(), path);
        if method == Method::POST || method == Method::PATCH {
            request = request.json(&task);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/json");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "unavailable", "{body}");
        let (first, second) = (one.take(), other.take());
        let asked = [first.clone(), second.clone()].concat();
        assert_eq!(asked.len(), times, "{asked:?}");
        assert!(first.len() <= 1 && second.len() <= 1, "{asked:?}");
        assert!(
            asked.iter().all(|line| *line == format!("{method} {path}")),
            "{asked:?}"
        );
    }
}
