//! What settings have to do with each other.

use codex_settings::{Check, RedisAt, Settings};
use codex_tasklog::LiveLocation;
use secrecy::{ExposeSecret as _, SecretString};

use super::Config;

/// What only makes sense with a provider of sign-ins.
const OIDC: [&str; 9] = [
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_name",
    "oidc_scopes",
    "oidc_groups_claim",
    "oidc_admin_groups",
    "oidc_allowed_groups",
    "oidc_join",
    "oidc_return_to",
];

impl Settings for Config {
    fn check(check: &mut Check<'_>) {
        check.exactly_one(&["jwt_key", "jwt_key_dir"]);
        check.at_most_one(&["jwt_key_dir", "jwt_old_key_files"]);
        check.at_most_one(&["trusted_proxies", "proxy_hops"]);
        check.needs("admin_email", &["admin_password"]);
        check.needs("admin_password", &["admin_email"]);
        check.needs("oidc_issuer", &["oidc_client_id", "public_url"]);
        for id in OIDC {
            check.needs(id, &["oidc_issuer"]);
        }
        check.redis(&[
            ("live_store", live_log(check)),
            ("redis_url", counts(check)),
        ]);
    }
}

/// Where the log of running tasks is.
fn live_log(check: &Check<'_>) -> RedisAt {
    let Some(live) = check.get::<LiveLocation>("live_store") else {
        return RedisAt::Unknown;
    };
    live.redis().map_or(RedisAt::Nowhere, |address| {
        RedisAt::address(address.expose_secret())
    })
}

/// Where requests are counted.
fn counts(check: &Check<'_>) -> RedisAt {
    match check.get::<SecretString>("redis_url") {
        Some(address) => RedisAt::address(address.expose_secret()),
        None if check.is_set("redis_url") => RedisAt::Unknown,
        None => RedisAt::Nowhere,
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
