//! When the runner did what, for the trace of the task.

use serde::{Deserialize, Serialize};

/// When the runner did what. It has no way to a collector of traces, and gets none, because the agent would have it too; so it says
/// this in its end frame, which nobody else can write, and the operator makes spans of it. There are as many as there are fields,
/// whatever the task does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// The workspace was prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Period>,
    /// Codex ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codex: Option<Period>,
    /// The patch was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Period>,
    /// The session, and the record of a long log, were handed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Period>,
}

/// From when until when, in milliseconds since 1970 by the clock of the node. On the wire `[start, end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period(pub u64, pub u64);

impl Phases {
    /// All that were gone through, with their names, in the order in which they begin.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Period)> {
        [
            ("prepare", self.prepare),
            ("codex", self.codex),
            ("patch", self.patch),
            ("upload", self.upload),
        ]
        .into_iter()
        .filter_map(|(name, period)| Some((name, period?)))
    }
}
