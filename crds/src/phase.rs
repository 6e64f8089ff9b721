//! The states of a task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a task, the same word in Kubernetes, in the database and on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Accepted, and waiting for its turn or for its Pod to start.
    #[default]
    Queued,
    /// The Pod runs.
    Running,
    /// Codex ended with exit code 0.
    Completed,
    /// Anything else ended it; `reason` and `message` say what.
    Error,
    /// A user asked for the end.
    Canceled,
}

impl Phase {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Error,
        Self::Canceled,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the task has ended for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Error | Self::Canceled)
    }

    /// Whether a task may go from this state to `next`. States only move forward; staying is allowed.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => true,
            Self::Running => !matches!(next, Self::Queued),
            Self::Completed => matches!(next, Self::Completed),
            Self::Error => matches!(next, Self::Error),
            Self::Canceled => matches!(next, Self::Canceled),
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}

impl TryFrom<String> for Phase {
    type Error = UnknownPhase;

    fn try_from(text: String) -> Result<Self, UnknownPhase> {
        text.parse()
    }
}

/// The text is not the name of a state.
#[derive(Debug, thiserror::Error)]
#[error("unknown state {0:?}; use queued, running, completed, error or canceled")]
pub struct UnknownPhase(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse::<Phase>().unwrap(), phase);
            assert_eq!(
                serde_json::to_value(phase).unwrap(),
                serde_json::json!(phase.as_str())
            );
        }
        assert!("Running".parse::<Phase>().is_err());
        assert_eq!(Phase::try_from("error".to_owned()).unwrap(), Phase::Error);
    }

    #[test]
    fn states_never_go_back() {
        for from in Phase::ALL {
            for to in Phase::ALL {
                if from.is_final() {
                    assert_eq!(from.may_become(to), from == to);
                }
            }
        }
        assert!(!Phase::Running.may_become(Phase::Queued));
        assert!(Phase::Queued.may_become(Phase::Canceled));
    }
}
