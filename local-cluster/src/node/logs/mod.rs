//! Logs of containers: their files, reading and following them, and the HTTP endpoint that serves them.

pub mod files;
