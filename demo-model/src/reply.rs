//! A reply, and its encoding as the server-sent events of the Responses API.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::request::Turn;

/// Text is streamed in pieces of about this many characters, as a model does.
const DELTA_CHARS: usize = 24;

/// What the server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Stream these items.
    Stream {
        /// What the model says and which tools it calls.
        items: Vec<Item>,
        /// The time between two items.
        pause: Duration,
        /// What comes after the items.
        ending: Ending,
    },
    /// Refuse with this HTTP status.
    Status {
        /// From 400 to 599.
        status: u16,
        /// For the error body.
        message: String,
    },
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With `response.completed`.
    Completed,
    /// The connection is cut without it.
    Dropped,
}

/// One output item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Text for the user.
    Message(String),
    /// The summary of a thought.
    Reasoning(String),
    /// A call of a tool with JSON arguments.
    Function {
        /// The tool.
        name: &'static str,
        /// Its arguments, an object.
        arguments: Value,
    },
    /// A call of a tool with free text.
    Custom {
        /// The tool.
        name: &'static str,
        /// Its input.
        input: String,
    },
}

/// A piece of an encoded stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Events to send.
    Events(Bytes),
    /// Time to let pass.
    Wait(Duration),
    /// The same, between two items.
    Pause {
        /// The time.
        time: Duration,
        /// How many items there were so far.
        items: usize,
    },
    /// Break the connection off.
    Abort,
}

impl Reply {
    /// A stream of items without pauses that ends as it should.
    #[must_use]
    pub fn items(items: Vec<Item>) -> Self {
        Self::Stream {
            items,
            pause: Duration::ZERO,
            ending: Ending::Completed,
        }
    }
}

/// Encodes a stream. `pace` passes between two pieces of text, `pause` between two items.
#[must_use]
pub fn encode(
    turn: &Turn,
    items: &[Item],
    ending: Ending,
    pause: Duration,
    pace: Duration,
) -> Vec<Chunk> {
    let mut encoder = Encoder {
        turn,
        sequence: 0,
        output: Vec::new(),
        written: 0,
        chunks: Vec::new(),
    };
    encoder.event(
        "response.created",
        json!({"response": encoder.response("in_progress")}),
    );
    for (index, item) in items.iter().enumerate() {
        if index > 0 && !pause.is_zero() {
            encoder.chunks.push(Chunk::Pause {
                time: pause,
                items: index,
            });
        }
        encoder.item(index, item, pace);
    }
    match ending {
        Ending::Completed => encoder.completed(),
        Ending::Dropped => encoder.chunks.push(Chunk::Abort),
    }
    encoder.chunks
}

struct Encoder<'a> {
    turn: &'a Turn,
    sequence: u64,
    /// The items that are done, for `response.completed`.
    output: Vec<Value>,
    /// Bytes of generated content, for the usage.
    written: usize,
    chunks: Vec<Chunk>,
}

impl Encoder<'_> {
    fn item(&mut self, index: usize, item: &Item, pace: Duration) {
        let id = self.id(item.id_prefix(), index);
        let call_id = self.id("call", index);
        let shell = |status: &str, content: &str| item.to_json(&id, &call_id, status, content);
        let content = item.content();
        self.written += content.len();

        self.event(
            "response.output_item.added",
            json!({"output_index": index, "item": shell("in_progress", "")}),
        );
        let (delta, done, field) = item.event_names();
        for piece in pieces(&content) {
            let mut data = json!({"item_id": id, "output_index": index, "delta": piece});
            item.add_part_index(&mut data);
            self.event(delta, data);
            self.wait(pace);
        }
        let mut data = json!({"item_id": id, "output_index": index, field: content});
        item.add_part_index(&mut data);
        self.event(done, data);
        let whole = shell("completed", &content);
        self.event(
            "response.output_item.done",
            json!({"output_index": index, "item": whole}),
        );
        self.output.push(whole);
    }

    fn completed(&mut self) {
        let output_tokens = u64::try_from(self.written / 4).unwrap_or(u64::MAX).max(1);
        let mut response = self.response("completed");
        response["output"] = Value::Array(std::mem::take(&mut self.output));
        response["usage"] = json!({
            "input_tokens": self.turn.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.turn.input_tokens + output_tokens,
        });
        self.event("response.completed", json!({"response": response}));
    }

    fn response(&self, status: &str) -> Value {
        json!({
            "id": format!("resp_{:016x}", self.turn.fingerprint),
            "object": "response",
            "status": status,
            "model": self.turn.model,
            "output": [],
        })
    }

    fn id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}_{:016x}{index:04}", self.turn.fingerprint)
    }

    /// Adds an event; those without a wait between them leave in one piece.
    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        let text = format!("event: {kind}\ndata: {data}\n\n");
        if let Some(Chunk::Events(events)) = self.chunks.last_mut() {
            let mut joined = std::mem::take(events).to_vec();
            joined.extend_from_slice(text.as_bytes());
            *events = joined.into();
        } else {
            self.chunks.push(Chunk::Events(text.into()));
        }
    }

    fn wait(&mut self, time: Duration) {
        if !time.is_zero() {
            self.chunks.push(Chunk::Wait(time));
        }
    }
}

impl Item {
    fn id_prefix(&self) -> &'static str {
        match self {
            Self::Message(_) => "msg",
            Self::Reasoning(_) => "rs",
            Self::Function { .. } => "fc",
            Self::Custom { .. } => "ctc",
        }
    }

    /// What is streamed: the text, or the arguments of the call.
    fn content(&self) -> String {
        match self {
            Self::Message(text) | Self::Reasoning(text) => text.clone(),
            Self::Function { arguments, .. } => arguments.to_string(),
            Self::Custom { input, .. } => input.clone(),
        }
    }

    /// The names of the delta and the done event, and the field of the latter that holds the content.
    fn event_names(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Message(_) => (
                "response.output_text.delta",
                "response.output_text.done",
                "text",
            ),
            Self::Reasoning(_) => (
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "text",
            ),
            Self::Function { .. } => (
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "arguments",
            ),
            Self::Custom { .. } => (
                "response.custom_tool_call_input.delta",
                "response.custom_tool_call_input.done",
                "input",
            ),
        }
    }

    fn add_part_index(&self, data: &mut Value) {
        match self {
            Self::Message(_) => data["content_index"] = 0.into(),
            Self::Reasoning(_) => data["summary_index"] = 0.into(),
            Self::Function { .. } | Self::Custom { .. } => {}
        }
    }

    fn to_json(&self, id: &str, call_id: &str, status: &str, content: &str) -> Value {
        match self {
            Self::Message(_) => {
                let parts = match content {
                    "" => json!([]),
                    text => json!([{"type": "output_text", "text": text, "annotations": []}]),
                };
                json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": parts})
            }
            Self::Reasoning(_) => {
                let summary = match content {
                    "" => json!([]),
                    text => json!([{"type": "summary_text", "text": text}]),
                };
                json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": null})
            }
            Self::Function { name, .. } => json!({
                "type": "function_call", "id": id, "call_id": call_id, "status": status,
                "name": name, "arguments": content,
            }),
            Self::Custom { name, .. } => json!({
                "type": "custom_tool_call", "id": id, "call_id": call_id, "status": status,
                "name": name, "input": content,
            }),
        }
    }
}

/// Splits text into pieces at character borders.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .char_indices()
            .nth(DELTA_CHARS)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests;
