//! The node: a kubelet for one machine.
