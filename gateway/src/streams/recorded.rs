//! The log of a task up to now, as opposed to a stream that waits for more.

use std::sync::Arc;

use bytes::Bytes;
use codex_tasklog::{Frame, FrameStream, Joined, JoinedBody, Joiner, LogError};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use uuid::Uuid;

use super::encode::object_body;
use crate::app::App;

/// Lines and events in the order of their numbers.
pub type Pieces = BoxStream<'static, Result<Vec<Joined>, LogError>>;

/// How a log is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of each line; events as the JSON that Codex printed.
    Text,
    /// One object for each line or event, with its number and its time.
    Ndjson,
}

impl Format {
    /// How the name of a file in this format ends.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Text => "log",
            Self::Ndjson => "ndjson",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// Only what comes after the frame with this number.
    pub after: u64,
    /// Only so many of the last lines and events.
    pub tail: Option<usize>,
}

/// Opens the archived log, or what is there now of one that still grows.
///
/// # Errors
/// [`LogError::Unavailable`] when the store cannot be reached.
pub async fn open(app: &App, task: Uuid, part: Part) -> Result<Pieces, LogError> {
    let (reader, task) = (&app.reader, task.to_string());
    let Some(lines) = part.tail else {
        return Ok(join(reader.record(&task, part.after).await?));
    };
    let mut frames = reader.tail(&task, lines).await?;
    if part.after > 0 {
        let behind = move |batch: Vec<Arc<Frame>>| {
            let batch = batch.into_iter();
            batch.filter(|frame| frame.seq > part.after).collect()
        };
        frames = frames.map_ok(behind).boxed();
    }
    Ok(join(frames))
}

/// Joins what belongs together.
fn join(frames: FrameStream) -> Pieces {
    let mut joiner = Joiner::default();
    frames
        .map(move |batch| {
            Ok(batch?
                .iter()
                .filter_map(|frame| joiner.push(frame))
                .collect())
        })
        .boxed()
}

/// Writes pieces out. An error ends the body before its end, so that the client sees that something is missing.
pub fn render(
    pieces: Pieces,
    format: Format,
) -> impl Stream<Item = Result<Bytes, LogError>> + Send + 'static {
    pieces.map(move |batch| {
        let mut out = Vec::new();
        for piece in batch? {
            match format {
                Format::Text => text(&piece, &mut out),
                Format::Ndjson => ndjson(&piece, &mut out),
            }
        }
        Ok(Bytes::from(out))
    })
}

fn text(piece: &Joined, out: &mut Vec<u8>) {
    match &piece.body {
        JoinedBody::Line { text, .. } => out.extend_from_slice(text.as_bytes()),
        JoinedBody::Event { json } => out.extend_from_slice(json.as_bytes()),
        JoinedBody::Gap { count } => {
            out.extend_from_slice(format!("[{count} frames are lost]").as_bytes());
        }
        JoinedBody::End(_) => return,
    }
    out.push(b'\n');
}

fn ndjson(piece: &Joined, out: &mut Vec<u8>) {
    let mut head = json!({ "seq": piece.last });
    if piece.first != piece.last {
        head["from"] = piece.first.into();
    }
    head["ts"] = piece.ts.as_str().into();
    match &piece.body {
        JoinedBody::Line { stream, text } => {
            head["stream"] = stream.as_str().into();
            head["line"] = text.as_str().into();
        }
        JoinedBody::Event { json } if object_body(json).is_some() => {
            // The event goes out as Codex wrote it; a line break in it can only be white space.
            let head = head.to_string();
            out.extend_from_slice(head.trim_end_matches('}').as_bytes());
            out.extend_from_slice(b",\"event\":");
            out.extend(json.bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                other => other,
            }));
            out.extend_from_slice(b"}\n");
            return;
        }
        JoinedBody::Event { json } => {
            head["stream"] = "stdout".into();
            head["line"] = json.as_str().into();
        }
        JoinedBody::Gap { count } => head["gap"] = (*count).into(),
        JoinedBody::End(end) => {
            head["end"] =
                json!({ "exit_code": end.exit_code, "reason": end.reason, "message": end.message });
        }
    }
    out.extend_from_slice(head.to_string().as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use codex_tasklog::{Body, End};

    fn frames() -> FrameStream {
        let body = |seq| match seq {
            1 => Body::Event {
                json: "{\"a\":".into(),
                more: true,
            },
            2 => Body::Event {
                json: "1}".into(),
                more: false,
            },
            3 => Body::Gap { count: 1 },
            _ => Body::End(End::default()),
        };
        let all = (1..=4)
            .map(|seq| {
                Arc::new(Frame {
                    seq,
                    ts: "T".into(),
                    body: body(seq),
                })
            })
            .collect();
        futures::stream::iter([Ok(all)]).boxed()
    }

    async fn rendered(format: Format) -> String {
        let chunks: Vec<_> = render(join(frames()), format)
            .map(|chunk| chunk.unwrap().to_vec())
            .collect()
            .await;
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn logs_are_written_out() {
        assert_eq!(
            rendered(Format::Text).await,
            "{\"a\":1}\n[1 frames are lost]\n"
        );
        let lines = rendered(Format::Ndjson).await;
        assert!(
            lines.starts_with("{\"seq\":2,\"from\":1,\"ts\":\"T\",\"event\":{\"a\":1}}\n"),
            "{lines}"
        );
        for line in lines.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
