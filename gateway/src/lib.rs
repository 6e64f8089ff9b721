//! The gateway: HTTP API, authentication, history and live streams.
