//! The operator: turns CodexTasks into Pods and follows their logs.
