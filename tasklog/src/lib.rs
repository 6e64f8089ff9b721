//! The log of a task: frames, live store, archive and the reader that joins them.
