//! What settings have to do with each other.

use codex_settings::{Check, RedisAt, Settings};
use codex_tasklog::LiveLocation;
use secrecy::ExposeSecret as _;

use super::Config;

impl Settings for Config {
    fn check(check: &mut Check<'_>) {
        check.exactly_one(&["nonce_key"]);
        check.ordered::<u64>("live_keep_bytes", "live_task_bytes");
        check.ordered::<u64>("live_task_bytes", "live_total_bytes");
        check.ordered::<u64>("spool_task_bytes", "spool_total_bytes");
        let live = match check.get::<LiveLocation>("live_store") {
            None => RedisAt::Unknown,
            Some(live) => live.redis().map_or(RedisAt::Nowhere, |address| {
                RedisAt::address(address.expose_secret())
            }),
        };
        check.redis(&[("live_store", live)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_up_to_date() {
        let page = include_str!("../../../docs/configuration.md");
        assert!(
            page.contains(&codex_settings::markdown::<Config>()),
            "run `make generate`"
        );
    }
}
