//! What streams send. A WebSocket message is one [`StreamEvent`]; as a server-sent event, `event`, `id` and `data` are fields of their own
//! and `data` is JSON.
//!
//! The types of `data` that the gateway encodes itself are those of the encoder; these here only tie them to their names.
#![expect(dead_code, reason = "they describe what the encoder writes")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

use crate::streams::encode::{DoneData, GapData, LogData, StatusData};

/// One event of the stream of a task.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum StreamEvent {
    Status(StatusEvent),
    Log(LogEvent),
    Item(ItemEvent),
    Gap(GapEvent),
    Done(DoneEvent),
}

/// One event as server-sent events carry it; `event`, `id` and `data` are those of a `StreamEvent`.
#[derive(ToSchema)]
pub struct ServerSentEvent {
    event: EventName,
    /// The number of the last frame of the event, where it has one; send it as `Last-Event-ID` to resume.
    #[schema(pattern = "^[0-9]+$", nullable = false)]
    id: Option<String>,
    /// The `data` of the event, as JSON.
    data: String,
    /// After how many milliseconds to connect again, when the connection breaks; stands in the first event.
    #[schema(minimum = 0)]
    #[schema(nullable = false)]
    retry: Option<u32>,
}

/// The names of all events.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventName {
    Status,
    Log,
    Item,
    Gap,
    Done,
}

/// Where a line was written.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// The values of `view`.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ViewName {
    Typed,
    Raw,
}

/// The values of `pace`.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PaceName {
    Fast,
    Ui,
}

/// The values of `format`.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatName {
    Text,
    Ndjson,
}

/// The state of the task, whenever it changes. The present one comes first.
#[derive(ToSchema)]
pub struct StatusEvent {
    #[schema(inline)]
    event: StatusName,
    data: StatusData<'static>,
}

/// A line of output.
#[derive(ToSchema)]
pub struct LogEvent {
    #[schema(inline)]
    event: LogName,
    /// The number of the last frame of the line; name it to resume.
    #[schema(minimum = 1)]
    id: u64,
    data: LogData<'static>,
}

/// An event of Codex.
#[derive(ToSchema)]
pub struct ItemEvent {
    #[schema(inline)]
    event: ItemName,
    /// The number of the last frame of the event; name it to resume.
    #[schema(minimum = 1)]
    id: u64,
    data: ItemData,
}

/// Frames that are lost for good. Nothing is lost where there is no such event.
#[derive(ToSchema)]
pub struct GapEvent {
    #[schema(inline)]
    event: GapName,
    /// The number of the last frame that is lost.
    #[schema(minimum = 1)]
    id: u64,
    data: GapData<'static>,
}

/// The end: comes after everything else, and the stream ends with it.
#[derive(ToSchema)]
pub struct DoneEvent {
    #[schema(inline)]
    event: DoneName,
    data: DoneData<'static>,
}

/// An event as `codex exec --json` prints it, with its time. Types that begin with `runner.` come from the runner. Further keys depend on the
/// type and on the version of Codex.
#[derive(ToSchema)]
pub struct ItemData {
    /// When the last frame of the event was written.
    #[schema(format = DateTime)]
    ts: String,
    /// The number of the first frame, where there are several.
    from: Option<u64>,
    /// The kind of the event, for example `item.completed`.
    r#type: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusName {
    Status,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum LogName {
    Log,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum ItemName {
    Item,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum GapName {
    Gap,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum DoneName {
    Done,
}
