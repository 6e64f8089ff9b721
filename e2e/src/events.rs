//! Server-sent events, as a client sees them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{Stream, StreamExt as _};
use serde_json::Value;

use crate::wait::DEADLINE;

/// One event of a stream.
#[derive(Clone, Debug)]
pub struct Event {
    /// The name: `status`, `log`, `item`, `gap` or `done`.
    pub name: String,
    /// The number, where the event has one.
    pub id: Option<u64>,
    /// The payload.
    pub data: Value,
}

impl Event {
    /// The first number that the event stands for.
    #[must_use]
    pub fn from(&self) -> Option<u64> {
        self.data["from"].as_u64().or(self.id)
    }
}

/// An open stream of events.
pub struct EventStream {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: Vec<u8>,
}

impl EventStream {
    pub(crate) fn new<B: AsRef<[u8]>>(
        bytes: impl Stream<Item = reqwest::Result<B>> + Send + 'static,
    ) -> Self {
        Self {
            bytes: bytes
                .map(|chunk| chunk.map(|chunk| chunk.as_ref().to_vec()))
                .boxed(),
            buffer: Vec::new(),
        }
    }

    /// The next event; `None` when the server ended the stream or the connection broke.
    ///
    /// # Errors
    /// When nothing at all arrives in time, or what arrives is no event.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&block)? {
                    return Ok(Some(event));
                }
                continue;
            }
            let chunk = tokio::time::timeout(DEADLINE, self.bytes.next())
                .await
                .context("the stream is silent")?;
            match chunk {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }
}

fn parse(block: &[u8]) -> Result<Option<Event>> {
    let text = std::str::from_utf8(block)?;
    let (mut name, mut id, mut data) = (None, None, None);
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(':'))
    {
        let (field, value) = line
            .split_once(": ")
            .with_context(|| format!("odd line {line:?}"))?;
        match field {
            "event" => name = Some(value.to_owned()),
            "id" => id = Some(value.parse()?),
            "data" => {
                let value = serde_json::from_str(value);
                data = Some(value.with_context(|| format!("odd data in {text:?}"))?);
            }
            "retry" => {}
            other => bail!("unknown field {other:?}"),
        }
    }
    Ok(match (name, data) {
        (Some(name), Some(data)) => Some(Event { name, id, data }),
        (None, None) => None,
        _ => bail!("half an event: {text:?}"),
    })
}

/// Everything that a client has seen of a task, over all its connections.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// The events in the order of their arrival.
    pub events: Vec<Event>,
    last: u64,
}

impl Transcript {
    /// A transcript that goes on after number `after`.
    #[must_use]
    pub fn after(after: u64) -> Self {
        Self {
            events: Vec::new(),
            last: after,
        }
    }

    /// The last number seen.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Adds an event; its number must follow the last one.
    ///
    /// # Errors
    /// When a number comes twice or is left out.
    pub fn push(&mut self, event: Event) -> Result<()> {
        ensure!(!self.is_done(), "an event after done: {event:?}");
        if let (Some(from), Some(id)) = (event.from(), event.id) {
            ensure!(
                from == self.last + 1 && id >= from,
                "after number {} came {event:?}",
                self.last
            );
            self.last = id;
        }
        self.events.push(event);
        Ok(())
    }

    /// Whether the stream has ended for good.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.events.last().is_some_and(|event| event.name == "done")
    }

    /// The payload of the last event.
    ///
    /// # Errors
    /// When the stream is not done.
    pub fn done(&self) -> Result<&Value> {
        let last = self.events.last().context("no event at all")?;
        ensure!(last.name == "done", "the last event is {last:?}");
        Ok(&last.data)
    }

    /// The states in the order in which they were told, without repetitions.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        let mut states: Vec<&str> = self
            .named("status")
            .filter_map(|event| event.data["state"].as_str())
            .collect();
        states.dedup();
        states
    }

    /// Events with a name.
    pub fn named(&self, name: &'static str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.name == name)
    }

    /// Codex events of a type, for example `item.completed`.
    pub fn items(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.named("item")
            .map(|event| &event.data)
            .filter(move |data| data["type"] == kind)
    }

    /// The finished command executions.
    pub fn commands(&self) -> impl Iterator<Item = &Value> {
        self.items("item.completed")
            .map(|data| &data["item"])
            .filter(|item| item["type"] == "command_execution")
    }

    /// The output of the first command.
    ///
    /// # Errors
    /// When no command ran.
    pub fn command_output(&self) -> Result<&str> {
        let command = self
            .commands()
            .next()
            .with_context(|| format!("no command ran: {self:#?}"))?;
        command["aggregated_output"]
            .as_str()
            .context("a command has output")
    }

    /// The patch at the end of the log.
    ///
    /// # Errors
    /// When there is none.
    pub fn patch(&self) -> Result<&str> {
        let event = self
            .items("runner.patch")
            .next()
            .with_context(|| format!("no patch in {self:#?}"))?;
        event["patch"].as_str().context("a patch is text")
    }
}

/// How long a client waits before it connects again.
pub(crate) const RECONNECT: Duration = Duration::from_millis(50);
