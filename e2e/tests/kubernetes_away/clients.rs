//! Clients that go on to submit tasks, whatever the answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::{Api, DEADLINE, Stack};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The first and the longest pause before a request is sent again, as the SDK makes them.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How a client submits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// With an `Idempotency-Key`, again and again until it is accepted; and once more, as if the answer had been lost.
    Keyed,
    /// Without, and once: it may not do that again when it heard no answer.
    Once,
}

/// What clients know of their submissions, by prompt.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// The ids of those that were accepted.
    pub(crate) accepted: HashMap<String, String>,
    /// Those that were refused.
    pub(crate) refused: Vec<String>,
    /// Those that nobody has heard of.
    pub(crate) unknown: Vec<String>,
}

impl Books {
    fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.refused.extend(other.refused);
        self.unknown.extend(other.unknown);
    }
}

/// A handful of clients at work.
pub(crate) struct Clients(JoinSet<Result<Books>>);

impl Clients {
    /// Lets clients submit `count` tasks each, spread over `time`. Every prompt has `marker` in it.
    pub(crate) async fn start(
        stack: &Arc<Stack>,
        marker: &str,
        count: u32,
        time: Duration,
    ) -> Result<Self> {
        let mut clients = JoinSet::new();
        for (index, manner) in [Manner::Keyed, Manner::Keyed, Manner::Once]
            .into_iter()
            .enumerate()
        {
            let (api, cwd) = (stack.admin().await?, stack.cwd());
            let name = format!("{marker}-{index}");
            clients.spawn(async move {
                let mut books = Books::default();
                let begin = Instant::now();
                for number in 0..count {
                    tokio::time::sleep_until(begin + time * number / count).await;
                    let prompt = format!("[fake:lines 3] {name}-{number}");
                    let body = json!({ "prompt": prompt, "cwd": cwd });
                    match manner {
                        Manner::Keyed => keyed(&api, prompt, &body, &mut books).await?,
                        Manner::Once => once(&api, prompt, &body, &mut books).await?,
                    }
                }
                Ok(books)
            });
        }
        Ok(Self(clients))
    }

    /// Waits for all of them.
    pub(crate) async fn finish(mut self) -> Result<Books> {
        let mut books = Books::default();
        while let Some(client) = self.0.join_next().await {
            books.add(client??);
        }
        Ok(books)
    }
}

async fn keyed(api: &Api, prompt: String, body: &Value, books: &mut Books) -> Result<()> {
    let key = format!("{:032x}", rand::random::<u128>());
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    let id = loop {
        match api.try_submit(body, Some(&key)).await {
            Ok((StatusCode::CREATED, answer)) => break id(&answer)?,
            Ok((status, answer)) => expect_away(status, &answer)?,
            // The same request again is no second task.
            Err(_) => {}
        }
        ensure!(begin.elapsed() < DEADLINE * 2, "{prompt} is never accepted");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    if let Ok((StatusCode::CREATED, answer)) = api.try_submit(body, Some(&key)).await {
        ensure!(
            self::id(&answer)? == id,
            "{prompt} is {id}, and then {answer}"
        );
    }
    books.accepted.insert(prompt, id);
    Ok(())
}

async fn once(api: &Api, prompt: String, body: &Value, books: &mut Books) -> Result<()> {
    match api.try_submit(body, None).await {
        Ok((StatusCode::CREATED, answer)) => {
            books.accepted.insert(prompt, id(&answer)?);
        }
        Ok((status, answer)) => {
            expect_away(status, &answer)?;
            books.refused.push(prompt);
        }
        Err(error) if error.is_connect() => books.refused.push(prompt),
        Err(_) => books.unknown.push(prompt),
    }
    Ok(())
}

fn id(answer: &Value) -> Result<String> {
    let id = answer["task_id"]
        .as_str()
        .context("a task that is accepted has an id")?;
    Ok(id.to_owned())
}

/// The only reason to refuse is that the gateway cannot know the allow-list, and it says so.
fn expect_away(status: StatusCode, answer: &Value) -> Result<()> {
    let error = &answer["error"];
    ensure!(
        status == StatusCode::SERVICE_UNAVAILABLE
            && error["code"] == "unavailable"
            && error["details"]["store"] == "kubernetes",
        "{status} {answer}"
    );
    Ok(())
}
