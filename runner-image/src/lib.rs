//! PID 1 of a task Pod: prepares the workspace, runs Codex and frames its output.
