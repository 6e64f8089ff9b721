//! The only address that a task Pod reaches: the model API, with the key added.
