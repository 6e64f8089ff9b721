//! What settings have to do with each other.

use codex_settings::{Check, Settings};
use codex_tasklog::LiveLocation;

use super::Config;

impl Settings for Config {
    fn check(check: &mut Check<'_>) {
        check.exactly_one(&["nonce_key"]);
        check.ordered::<u64>("live_keep_bytes", "live_task_bytes");
        check.ordered::<u64>("live_task_bytes", "live_total_bytes");
        check.ordered::<u64>("spool_task_bytes", "spool_total_bytes");
        // An address that cannot be used was told already.
        if let Some(LiveLocation::Hub(_)) = check.get("live_store") {
            for id in ["redis_password", "redis_ca_file"] {
                if check.is_set(id) {
                    let (name, live) = (check.name(id), check.name("live_store"));
                    check.refuse(format!(
                        "{name} is set, but no Redis is: write its address into {live}"
                    ));
                }
            }
        }
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
