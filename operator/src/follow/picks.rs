//! What the status takes from the events of Codex.

use codex_crds::Usage;
use codex_tasklog::{Body, Frame};
use serde::Deserialize;

/// What the status takes from the events of Codex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// The Codex thread.
    pub thread_id: Option<String>,
    /// Tokens so far; Codex counts them over the whole thread, so the last number holds.
    pub usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
}

impl Picks {
    /// Looks at a frame; answers whether something was found. The two events that matter are far shorter than a frame,
    /// so parts of longer events need no joining.
    pub fn look(&mut self, frame: &Frame) -> bool {
        let Body::Event { json, more: false } = &frame.body else {
            return false;
        };
        // Most events are long and none of these; finding a word is cheaper than parsing.
        if !json.contains("thread.started") && !json.contains("turn.completed") {
            return false;
        }
        let Ok(event) = serde_json::from_str::<Event<'_>>(json) else {
            return false;
        };
        match &*event.kind {
            "thread.started" if event.thread_id.is_some() => self.thread_id = event.thread_id,
            "turn.completed" if event.usage.is_some() => self.usage = event.usage,
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Frame {
        Frame {
            seq: 1,
            ts: String::new(),
            body: Body::Event {
                json: json.into(),
                more: false,
            },
        }
    }

    #[test]
    fn only_the_type_decides() {
        let mut picks = Picks::default();
        assert!(picks.look(&event(r#"{"type":"thread.started","thread_id":"t"}"#)));
        assert!(picks.look(&event(
            r#"{"type":"turn.completed","usage":{"input_tokens":2000,"cached_input_tokens":800,"cache_write_input_tokens":0,"output_tokens":100,"reasoning_output_tokens":40}}"#
        )));
        assert!(!picks.look(&event(
            r#"{"type":"item.completed","item":{"text":"turn.completed thread.started"},"thread_id":"x"}"#
        )));
        assert_eq!(picks.thread_id.as_deref(), Some("t"));
        assert_eq!(picks.usage.unwrap().cached_input_tokens, 800);
    }
}
