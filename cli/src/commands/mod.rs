//! One file for each command.

pub mod apply;
pub mod cancel;
pub mod list;
pub mod login;
pub mod logs;
pub mod repositories;
pub mod run;
pub mod up;
