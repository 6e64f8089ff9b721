//! The API server as clients see it: kube-rs, raw HTTP, and kubectl.

mod basics;
mod controllers;
mod kubectl;
mod points_a;
mod points_b;
mod restart;
mod support;
