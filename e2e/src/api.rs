//! The HTTP API, as any client speaks it.

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::events::{EventStream, RECONNECT, Transcript};
use crate::slow;
use crate::wait::until;

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A submitted task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The id.
    pub id: String,
    api: Api,
}

impl Api {
    /// Signs in.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn login(base: &str, email: &str, password: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let response = http
            .post(format!("{base}/auth/login"))
            .json(&json!({ "email": email, "password": password }))
            .send()
            .await?;
        let answer: Value = expect(response, StatusCode::OK).await?;
        Ok(Self {
            base: base.to_owned(),
            token: answer["access_token"]
                .as_str()
                .context("login answers a token")?
                .to_owned(),
            http,
        })
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same gateway with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Sends a request and answers with what came back, whatever the status.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        self.send_with(method, path, body, &[]).await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Value)> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    /// Submits a task.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&self, body: Value) -> Result<Task> {
        self.submit_with(&body, &[]).await
    }

    /// Submits a task with more headers.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit_with(&self, body: &Value, headers: &[(&str, &str)]) -> Result<Task> {
        let (status, answer) = self
            .send_with(Method::POST, "/api/tasks", Some(body), headers)
            .await?;
        ensure!(status == StatusCode::CREATED, "submit: {status} {answer}");
        ensure!(answer["status"] == "queued", "submit: {answer}");
        let id = answer["task_id"].as_str().context("submit answers an id")?;
        Ok(self.task(id))
    }

    /// Sends the submission of a task once, under an `Idempotency-Key` where there is one, and answers with what came back.
    ///
    /// # Errors
    /// When no answer comes; whether the task was accepted is not known then.
    pub async fn try_submit(
        &self,
        body: &Value,
        key: Option<&str>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let mut request = self
            .http
            .post(format!("{}/api/tasks", self.base))
            .bearer_auth(&self.token)
            .json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        Ok((response.status(), response.json().await?))
    }

    /// Submits a prompt to a repository.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn prompt(&self, cwd: &str, prompt: &str) -> Result<Task> {
        self.submit(json!({ "prompt": prompt, "cwd": cwd })).await
    }

    /// A task that exists already.
    #[must_use]
    pub fn task(&self, id: &str) -> Task {
        Task {
            id: id.to_owned(),
            api: self.clone(),
        }
    }

    /// Adds a user; only administrators may.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_user(&self, email: &str, password: &str) -> Result<Self> {
        let body = json!({ "email": email, "password": password, "role": "user" });
        let (status, answer) = self.send(Method::POST, "/api/users", Some(&body)).await?;
        ensure!(
            status == StatusCode::CREATED,
            "create user: {status} {answer}"
        );
        Self::login(&self.base, email, password).await
    }
}

impl Task {
    /// The record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self) -> Result<Value> {
        let path = format!("/api/tasks/{}", self.id);
        let (status, answer) = self.api.send(Method::GET, &path, None).await?;
        ensure!(status == StatusCode::OK, "get: {status} {answer}");
        Ok(answer)
    }

    /// Asks for the end.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn cancel(&self) -> Result<()> {
        let path = format!("/api/tasks/{}", self.id);
        let (status, answer) = self.api.send(Method::DELETE, &path, None).await?;
        ensure!(status.is_success(), "cancel: {status} {answer}");
        Ok(())
    }

    /// Waits for a state and answers with the record.
    ///
    /// # Errors
    /// When the state is not reached in time.
    pub async fn wait_for(&self, state: &str) -> Result<Value> {
        until(&format!("task {} to be {state}", self.id), || async {
            let record = self.get().await?;
            Ok((record["status"] == state).then_some(record))
        })
        .await
    }

    /// Opens the stream after a number.
    ///
    /// # Errors
    /// When the gateway refuses or is away.
    pub async fn stream(&self, after: u64, query: &str) -> Result<EventStream> {
        let url = format!("{}/api/tasks/{}/stream{query}", self.api.base, self.id);
        let mut request = self.api.http.get(url).bearer_auth(&self.api.token);
        if after > 0 {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await?;
        ensure!(
            response.status() == StatusCode::OK,
            "stream: {}",
            response.status()
        );
        Ok(EventStream::new(response.bytes_stream()))
    }

    /// Opens the same stream over a connection with hardly any room for what is under way, and takes one byte a second off it until
    /// `until`; then everything.
    ///
    /// # Errors
    /// When the gateway refuses or is away.
    pub async fn stream_slowly(
        &self,
        after: u64,
        query: &str,
        until: tokio::time::Instant,
    ) -> Result<EventStream> {
        let host = self.api.base.trim_start_matches("http://");
        let request = format!(
            "GET /api/tasks/{}/stream{query} HTTP/1.0\r\nhost: {host}\r\nauthorization: Bearer {}\r\nlast-event-id: {after}\r\n\r\n",
            self.id, self.api.token
        );
        slow::connect(host, &request, until).await
    }

    /// Follows the task to its end, over as many connections as it takes.
    ///
    /// # Errors
    /// When a number is repeated or left out, or the end does not come in time.
    pub async fn follow(&self) -> Result<Transcript> {
        let mut transcript = Transcript::default();
        self.follow_on(&mut transcript, |_| false).await?;
        Ok(transcript)
    }

    /// Follows on from where a transcript is, until `done` or until `enough` says so.
    ///
    /// # Errors
    /// As [`Task::follow`].
    pub async fn follow_on(
        &self,
        transcript: &mut Transcript,
        enough: impl Fn(&Transcript) -> bool,
    ) -> Result<()> {
        for _ in 0..2000 {
            if let Ok(mut stream) = self.stream(transcript.last(), "").await {
                while let Some(event) = stream.next().await? {
                    transcript.push(event)?;
                    if transcript.is_done() || enough(transcript) {
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(RECONNECT).await;
        }
        bail!(
            "task {} never ended: {:?}",
            self.id,
            transcript.events.last()
        );
    }
}

async fn expect(response: Response, wanted: StatusCode) -> Result<Value> {
    let status = response.status();
    let text = response.text().await?;
    ensure!(status == wanted, "{status}: {text}");
    Ok(serde_json::from_str(&text)?)
}
