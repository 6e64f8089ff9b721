//! A Kubernetes API and node for one machine.
