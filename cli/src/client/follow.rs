//! The events of a task, over as many connections as it takes, each number once.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Client, ClientError,
    api::View,
    sse::{Parser, RawEvent},
};

/// The gateway sends a comment every 15 seconds; a connection that is silent for three of them is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// The first and the longest pause between two connections.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A gateway that asks for a longer pause than this is asked earlier.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// After this time without a connection that brings anything, following ends with an error.
const PATIENCE: Duration = Duration::from_secs(600);

/// One event of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `status`, `log`, `item`, `gap`, `done`, or a name that this program does not know yet.
    pub name: String,
    /// Its number, where it has one.
    pub id: Option<u64>,
    /// Its payload.
    pub data: Value,
}

/// What following a task brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An event. After `done` there is no further one.
    Event(Event),
    /// The connection is gone; another one is being made. The text says why.
    Reconnecting(String),
}

/// Follows a task.
pub struct Follow {
    client: Client,
    task: String,
    view: View,
    last: u64,
    connection: Option<Connection>,
    ready: VecDeque<Step>,
    /// How long the next connection waits.
    wait: Duration,
    /// When something arrived last.
    alive: Instant,
}

struct Connection {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    parser: Parser,
}

impl Follow {
    /// Follows a task after this number; 0 is from the beginning.
    #[must_use]
    pub fn new(client: Client, task: impl Into<String>, after: u64, view: View) -> Self {
        Self {
            client,
            task: task.into(),
            view,
            last: after,
            connection: None,
            ready: VecDeque::new(),
            wait: Duration::ZERO,
            alive: Instant::now(),
        }
    }

    /// The next step. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the gateway refuses for good, or cannot be reached for ten minutes.
    pub async fn next(&mut self) -> Result<Step, ClientError> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(step);
            }
            match &mut self.connection {
                Some(connection) => match timeout(SILENCE, connection.bytes.next()).await {
                    Ok(Some(Ok(bytes))) => self.take(&bytes)?,
                    Ok(Some(Err(error))) => self.lost(&error.without_url().to_string()),
                    Ok(None) => self.lost("the gateway ended the stream"),
                    Err(_) => self.lost("the gateway is silent"),
                },
                None => self.connect().await?,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if !self.wait.is_zero() {
            sleep(self.wait).await;
        }
        // Until a number comes, each further connection waits longer: a gateway may take connections and end them at once.
        self.wait = (self.wait * 2).clamp(PAUSES.0, PAUSES.1);
        match self.client.stream(&self.task, self.last, self.view).await {
            Ok(response) => {
                let bytes = Box::pin(response.bytes_stream());
                self.connection = Some(Connection {
                    bytes,
                    parser: Parser::default(),
                });
                Ok(())
            }
            Err(error) if !error.is_passing() => Err(error),
            Err(error) if self.alive.elapsed() > PATIENCE => {
                Err(ClientError::LostStream(Box::new(error)))
            }
            Err(error) => {
                if let Some(wait) = error.retry_after() {
                    self.wait = wait.clamp(self.wait, LONGEST_RETRY_AFTER);
                }
                self.ready.push_back(Step::Reconnecting(error.to_string()));
                Ok(())
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        self.alive = Instant::now();
        let mut raw = Vec::new();
        let protocol = |what: String| ClientError::Protocol {
            url: self.client.url().to_string(),
            what,
        };
        connection
            .parser
            .push(bytes, &mut raw)
            .map_err(|error| protocol(error.to_string()))?;
        for raw in raw {
            let event = Event::try_from(raw).map_err(protocol)?;
            if let Some(id) = event.id {
                // A number that was here before: the gateway may send it again after a reconnect.
                if id <= self.last {
                    continue;
                }
                self.last = id;
                self.wait = Duration::ZERO;
            }
            self.ready.push_back(Step::Event(event));
        }
        Ok(())
    }

    fn lost(&mut self, why: &str) {
        self.connection = None;
        self.ready.push_back(Step::Reconnecting(why.to_owned()));
    }
}

impl TryFrom<RawEvent> for Event {
    type Error = String;

    fn try_from(raw: RawEvent) -> Result<Self, String> {
        let id = raw
            .id
            .map(|id| {
                id.parse()
                    .map_err(|_| format!("the number of an event: {id:?}"))
            })
            .transpose()?;
        // The gateway passes events of Codex on as they are. One that this program cannot read, for example because of a
        // number that is too large, is kept as text: it must not end the rest.
        let data = serde_json::from_str(&raw.data).unwrap_or(Value::String(raw.data));
        Ok(Self {
            name: raw.name,
            id,
            data,
        })
    }
}
