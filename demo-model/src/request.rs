//! What the script needs to know of a request to `POST /v1/responses`.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::Deserialize;
use serde_json::Value;

/// User messages that Codex itself writes start with one of these. What remains is what the user asked for.
const CONTEXT_PREFIXES: [&str; 7] = [
    "<environment_context>",
    "<user_instructions>",
    "<skills_instructions>",
    "<skill>",
    "<turn_aborted>",
    "<subagent_notification>",
    "# AGENTS.md instructions",
];

/// A request that cannot be answered. The text goes to the client.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The body is not the JSON of a Responses API request.
    #[error("the body is not a Responses API request: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The client wants the answer in one piece.
    #[error("only streamed answers are given: set \"stream\": true")]
    NotStreamed,
}

/// The present turn of a conversation: what the user asked last, and what has been done about it so far.
#[derive(Debug)]
pub struct Turn {
    /// The user's last message.
    pub prompt: String,
    /// What the user asked before, in order: the earlier turns of a session that goes on.
    pub earlier: Vec<String>,
    /// The results of the tools that were called since then, in order.
    pub outputs: Vec<ToolOutput>,
    /// What the model has said since then, in order.
    pub said: Vec<String>,
    /// The names of the tools that the client offers.
    pub tools: HashSet<String>,
    /// The model's name, as the client gave it.
    pub model: String,
    /// Differs between requests and is the same for the same request. The ids in the reply derive from it.
    pub fingerprint: u64,
    /// Roughly the tokens of the request: a quarter of its bytes.
    pub input_tokens: u64,
}

/// What a tool returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// The output without what Codex writes before it.
    pub text: String,
    /// The session to poll when the command has not ended yet.
    pub running_session: Option<u64>,
}

#[derive(Deserialize)]
struct Body {
    model: String,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    input: Vec<Item>,
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message {
        role: String,
        content: Value,
    },
    FunctionCallOutput {
        output: Value,
    },
    CustomToolCallOutput {
        output: Value,
    },
    #[serde(other)]
    Other,
}

impl Turn {
    /// Reads a request body.
    ///
    /// # Errors
    /// When it is not a request of the Responses API, or not one for a stream.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let parsed: Body = serde_json::from_slice(body)?;
        if !parsed.stream {
            return Err(RequestError::NotStreamed);
        }
        let mut turn = Self {
            prompt: String::new(),
            earlier: Vec::new(),
            outputs: Vec::new(),
            said: Vec::new(),
            tools: parsed
                .tools
                .into_iter()
                .map(|tool| tool.name.unwrap_or(tool.kind))
                .collect(),
            model: parsed.model,
            fingerprint: fingerprint(body),
            input_tokens: u64::try_from(body.len() / 4).unwrap_or(u64::MAX),
        };
        for item in parsed.input {
            turn.add(item);
        }
        Ok(turn)
    }

    fn add(&mut self, item: Item) {
        match item {
            Item::Message { role, content } if role == "user" => {
                let text = text_of(&content);
                if !CONTEXT_PREFIXES
                    .iter()
                    .any(|prefix| text.starts_with(prefix))
                {
                    // A new question: whatever came before it belongs to an earlier turn of the conversation.
                    let before = std::mem::replace(&mut self.prompt, text);
                    self.earlier
                        .extend(Some(before).filter(|it| !it.is_empty()));
                    self.outputs.clear();
                    self.said.clear();
                }
            }
            Item::Message { role, content } if role == "assistant" => {
                self.said.push(text_of(&content));
            }
            Item::FunctionCallOutput { output } | Item::CustomToolCallOutput { output } => {
                self.outputs.push(ToolOutput::parse(&text_of(&output)));
            }
            Item::Message { .. } | Item::Other => {}
        }
    }

    /// How many steps of the script have ended. A command that was polled counts once, and only when it has ended.
    #[must_use]
    pub fn finished_steps(&self) -> usize {
        self.outputs
            .iter()
            .filter(|output| output.running_session.is_none())
            .count()
    }

    /// The whole output of the last step, including what came while it was polled.
    #[must_use]
    pub fn last_step_text(&self) -> String {
        let Some((last, earlier)) = self.outputs.split_last() else {
            return String::new();
        };
        let polled = earlier
            .iter()
            .rev()
            .take_while(|output| output.running_session.is_some())
            .count();
        let mut text: String = earlier[earlier.len() - polled..]
            .iter()
            .map(|output| output.text.as_str())
            .collect();
        text.push_str(&last.text);
        text
    }
}

impl ToolOutput {
    /// Splits off the lines that Codex writes before a command's output, such as `Process running with session ID 7`.
    fn parse(raw: &str) -> Self {
        let (header, text) = if let Some(text) = raw.strip_prefix("Output:\n") {
            ("", text)
        } else if let Some(at) = raw.find("\nOutput:\n") {
            (&raw[..at], &raw[at + "\nOutput:\n".len()..])
        } else {
            ("", raw)
        };
        let running_session = header
            .lines()
            .find_map(|line| line.strip_prefix("Process running with session ID "))
            .and_then(|id| id.trim().parse().ok());
        Self {
            text: text.to_owned(),
            running_session,
        }
    }
}

/// Content is a string, or a list of parts of which those with a `text` are joined.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}

fn fingerprint(body: &[u8]) -> u64 {
    // `DefaultHasher::new` has fixed keys, unlike the hasher of a `HashMap`: the same body gives the same number.
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(input: &Value) -> Turn {
        let body = json!({"model": "gpt-5.5", "stream": true, "input": input,
            "tools": [{"type": "function", "name": "exec_command"}, {"type": "web_search"}]});
        Turn::parse(body.to_string().as_bytes()).unwrap()
    }

    fn user(text: &str) -> Value {
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
    }

    #[test]
    fn the_prompt_is_the_last_message_that_codex_did_not_write() {
        let turn = turn(&json!([
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be good"}]},
            user("# AGENTS.md instructions for /workspace"),
            user("<environment_context>\n</environment_context>"),
            user("do it"),
            user("<turn_aborted>"),
        ]));
        assert_eq!(turn.prompt, "do it");
        assert!(turn.tools.contains("exec_command") && turn.tools.contains("web_search"));
    }

    #[test]
    fn an_earlier_turn_does_not_count() {
        let turn = turn(&json!([
            user("first"),
            {"type": "function_call", "name": "exec_command", "call_id": "1", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "Output:\nold"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]},
            user("second"),
            {"type": "custom_tool_call_output", "call_id": "2", "output": "Success"},
        ]));
        assert_eq!(
            (turn.prompt.as_str(), turn.finished_steps(), turn.said.len()),
            ("second", 1, 0)
        );
        assert_eq!(turn.earlier, ["first"]);
    }

    #[test]
    fn a_polled_command_is_one_step() {
        let turn = turn(&json!([
            user("x"),
            {"type": "function_call_output", "call_id": "0", "output": "Output:\nzero\n"},
            {"type": "function_call_output", "call_id": "1",
             "output": "Wall time: 1\nProcess running with session ID 91668\nOutput:\none\n"},
            {"type": "function_call_output", "call_id": "2",
             "output": "Wall time: 1\nProcess running with session ID 91668\nOutput:\ntwo\n"},
            {"type": "function_call_output", "call_id": "3",
             "output": "Wall time: 1\nProcess exited with code 0\nOutput:\nthree\nOutput:\n"},
        ]));
        assert_eq!(turn.outputs[1].running_session, Some(91668));
        assert_eq!(turn.finished_steps(), 2);
        assert_eq!(turn.last_step_text(), "one\ntwo\nthree\nOutput:\n");
    }

    #[test]
    fn a_command_cannot_pretend_to_be_running() {
        let output = ToolOutput::parse(
            "Process exited with code 0\nOutput:\nProcess running with session ID 5\nOutput:\n",
        );
        assert_eq!(output.running_session, None);
    }

    #[test]
    fn other_bodies_are_refused() {
        assert!(matches!(
            Turn::parse(b"nope"),
            Err(RequestError::Malformed(_))
        ));
        assert!(matches!(
            Turn::parse(br#"{"model":"m","input":[]}"#),
            Err(RequestError::NotStreamed)
        ));
    }
}
