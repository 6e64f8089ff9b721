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

/// One event of a stream, as it came.
pub(crate) struct RawEvent {
    /// The name.
    pub(crate) name: String,
    /// The number, where the event has one.
    pub(crate) id: Option<u64>,
    /// The payload, JSON.
    pub(crate) data: String,
}

/// An open stream of events.
pub struct EventStream {
    /// `None` where the connection breaks.
    bytes: futures::stream::BoxStream<'static, Option<Vec<u8>>>,
    buffer: Vec<u8>,
    /// Where in the buffer the next event begins.
    start: usize,
}

impl EventStream {
    /// Reads from `bytes`, which end where the connection does, in whatever way.
    pub(crate) fn new<B: AsRef<[u8]>, E>(
        bytes: impl Stream<Item = Result<B, E>> + Send + 'static,
    ) -> Self {
        let bytes = bytes.map(|chunk| chunk.ok().map(|chunk| chunk.as_ref().to_vec()));
        Self {
            bytes: bytes.boxed(),
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next event; `None` when the server ended the stream or the connection broke.
    ///
    /// # Errors
    /// When nothing at all arrives in time, or what arrives is no event.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        let Some(RawEvent { name, id, data }) = self.next_raw().await? else {
            return Ok(None);
        };
        let value = serde_json::from_str(&data);
        let data = value.with_context(|| format!("odd data in {name}: {data:?}"))?;
        Ok(Some(Event { name, id, data }))
    }

    /// The same, with the payload as it came.
    ///
    /// # Errors
    /// As [`EventStream::next`].
    pub(crate) async fn next_raw(&mut self) -> Result<Option<RawEvent>> {
        // What was searched in vain is not searched again.
        let mut searched = self.start;
        loop {
            let end = self.buffer[searched..]
                .windows(2)
                .position(|pair| pair == b"\n\n");
            if let Some(end) = end.map(|at| searched + at + 2) {
                let event = parse(&self.buffer[self.start..end])?;
                (self.start, searched) = (end, end);
                if event.is_some() {
                    return Ok(event);
                }
                continue;
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len().saturating_sub(1);
            let chunk = tokio::time::timeout(DEADLINE, self.bytes.next())
                .await
                .context("the stream is silent")?;
            match chunk {
                Some(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(None) | None => return Ok(None),
            }
        }
    }
}

fn parse(block: &[u8]) -> Result<Option<RawEvent>> {
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
            "data" => data = Some(value.to_owned()),
            "retry" => {}
            other => bail!("unknown field {other:?}"),
        }
    }
    Ok(match (name, data) {
        (Some(name), Some(data)) => Some(RawEvent { name, id, data }),
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
