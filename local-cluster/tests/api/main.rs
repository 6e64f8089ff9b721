//! The API server as clients see it: kube-rs, raw HTTP, and kubectl.

mod basics;
mod support;
