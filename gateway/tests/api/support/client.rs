//! A client of the HTTP API.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::DEADLINE;

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    base: String,
    pub token: Option<String>,
    /// What a proxy would say of where the requests come from.
    forwarded_for: Option<String>,
    http: reqwest::Client,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The word of the error envelope; fails when the envelope is not whole.
    #[track_caller]
    pub fn error(&self) -> &str {
        let error = &self.body["error"];
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{}",
            self.body
        );
        assert_eq!(
            error["request_id"].as_str(),
            self.headers["x-request-id"].to_str().ok(),
            "{}",
            self.body
        );
        assert_eq!(self.headers["content-type"], "application/json");
        error["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", self.body))
    }
}

impl Client {
    pub fn new(base: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self::with(base, token, http)
    }

    /// A client with connections of its own kind.
    pub fn with(base: &str, token: Option<String>, http: reqwest::Client) -> Self {
        Self {
            base: base.to_owned(),
            token,
            forwarded_for: None,
            http,
        }
    }

    /// The same client behind a proxy that says that it comes from this address.
    pub fn from(&self, address: &str) -> Self {
        Self {
            forwarded_for: Some(address.to_owned()),
            ..self.clone()
        }
    }

    /// The same client at another gateway.
    pub fn at(&self, base: &str) -> Self {
        Self::new(base, self.token.clone())
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(address) = &self.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = tokio::time::timeout(DEADLINE, request.send())
            .await
            .expect("an answer in time")
            .unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
            .await
    }

    /// The address of the gateway.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The id of who is logged in.
    pub async fn user_id(&self) -> String {
        let me = self.get("/api/me").await;
        assert_eq!(me.status, 200, "{}", me.body);
        me.body["id"].as_str().unwrap().to_owned()
    }

    /// Makes an API token.
    pub async fn api_token(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": uuid::Uuid::now_v7().to_string(), "scopes": scopes });
        let answer = self.post("/api/tokens", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    pub async fn login(&self, email: &str, password: &str) -> Self {
        let answer = self
            .post(
                "/auth/login",
                &json!({ "email": email, "password": password }),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self::new(
            &self.base,
            answer.body["access_token"].as_str().map(str::to_owned),
        )
    }

    /// Submits a task; answers with its id.
    pub async fn submit(&self, body: &Value) -> String {
        let answer = self.post("/api/tasks", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.body["status"], "queued");
        answer.body["task_id"].as_str().unwrap().to_owned()
    }

    pub async fn task(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/tasks/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Waits until there is such a task.
    pub async fn task_in_any(&self, id: &str) -> Value {
        super::until("the task to be on record", async || {
            let answer = self.get(&format!("/api/tasks/{id}")).await;
            (answer.status == 200).then_some(answer.body)
        })
        .await
    }

    /// Waits until the record says so.
    pub async fn task_in(&self, id: &str, state: &str) -> Value {
        super::until(&format!("the task to be {state}"), async || {
            let task = self.task(id).await;
            (task["status"] == state).then_some(task)
        })
        .await
    }

    /// Opens the stream of a task.
    pub async fn stream(&self, id: &str, query: &str, last_event_id: Option<&str>) -> Events {
        let mut request = self.request(Method::GET, &format!("/api/tasks/{id}/stream{query}"));
        if let Some(last) = last_event_id {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Events::from(response)
    }

    /// Opens the stream of a task after a number, at a gateway that may stop or be gone.
    pub async fn try_stream(&self, id: &str, after: &str) -> Option<Events> {
        let request = self.request(Method::GET, &format!("/api/tasks/{id}/stream"));
        let response = request.header("last-event-id", after).send().await.ok()?;
        (response.status().as_u16() == 200).then(|| Events::from(response))
    }
}

impl From<reqwest::Response> for Events {
    fn from(response: reqwest::Response) -> Self {
        Self {
            bytes: response
                .bytes_stream()
                .map(|chunk| chunk.map(|bytes| bytes.to_vec()))
                .boxed(),
            buffer: Vec::new(),
            comments: 0,
        }
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub name: String,
    pub id: Option<u64>,
    pub data: Value,
}

/// An open stream.
pub struct Events {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: Vec<u8>,
    /// How many comments there were between the events.
    pub comments: usize,
}

impl Events {
    /// The next event; nothing when the connection has ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if block.starts_with(':') {
                    self.comments += 1;
                    continue;
                }
                return Some(parse(&block).unwrap_or_else(|| panic!("half an event: {block:?}")));
            }
            let chunk = tokio::time::timeout(DEADLINE, self.bytes.next())
                .await
                .expect("an event in time");
            self.buffer.extend(chunk?.ok()?);
        }
    }

    /// Everything until one event is enough, or the connection ends.
    pub async fn take_until(&mut self, enough: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            let stop = enough(&event);
            events.push(event);
            if stop {
                break;
            }
        }
        events
    }

    /// Whether no part of an event is left over.
    pub fn is_between_events(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Everything until the connection ends.
    pub async fn rest(&mut self) -> Vec<Event> {
        self.take_until(|_| false).await
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(Event {
        name: field("event")?.to_owned(),
        id: field("id").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data")?).unwrap(),
    })
}

/// The numbers of the events that have one.
pub fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(|event| event.id).collect()
}

/// The states that were told.
pub fn states(events: &[Event]) -> Vec<&str> {
    let statuses = events.iter().filter(|event| event.name == "status");
    statuses
        .filter_map(|event| event.data["state"].as_str())
        .collect()
}
