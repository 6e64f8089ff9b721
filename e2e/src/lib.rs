//! The user-level scenarios.
