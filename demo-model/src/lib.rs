//! A small Responses API server that answers with a script.
