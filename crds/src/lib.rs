//! The custom resources of Codex Remote Runner.
