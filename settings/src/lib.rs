//! How the servers read their settings.
//!
//! A program declares its settings as a `clap` structure: each field names its environment variable, its doc comment is the
//! documentation, its type or value parser is what it may be. This crate reads such a structure so that
//!
//! - whoever starts a program is told everything that is wrong at once, not one mistake for each start ([`read`]),
//! - a secret, which is a field with `hide_env_values`, also comes from the file that the same name with `_FILE` says, is never shown,
//!   and given in both ways it is refused,
//! - an empty variable counts as one that is not set, as templates of manifests like to leave them, but that of a list is an empty list,
//! - what depends on several settings is told with the rest ([`Settings::check`]),
//! - a variable of a mistyped name does not go unnoticed ([`Unknown`]),
//! - the documentation cannot tell anything else than the program does ([`markdown`]).

mod check;
mod declared;
mod docs;
mod problems;
mod read;
mod redis;
mod unknown;
pub mod values;

pub use check::Check;
pub use docs::markdown;
pub use problems::Problems;
pub use read::{Loaded, Stop, load, read};
pub use redis::RedisAt;
pub use unknown::Unknown;

/// The settings of a program.
pub trait Settings: clap::CommandFactory + clap::FromArgMatches {
    /// Checks what no single setting can tell. It is also asked when some of them are wrong, so that everything is told at once: those
    /// are then as good as not there to [`Check::get`].
    fn check(check: &mut Check<'_>);
}
