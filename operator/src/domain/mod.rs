//! What the operator decides, free of Kubernetes types and of input and output.
//!
//! [`admission`] says whose turn it is, [`pod`] holds what is known about a Pod, [`outcome`] how a task ended, and
//! [`step`] what has to be done next.

pub mod admission;
pub mod outcome;
pub mod pod;
pub mod step;
