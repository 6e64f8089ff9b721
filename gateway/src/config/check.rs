//! What settings have to do with each other.

use codex_settings::{Check, Settings};
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
        check_redis(check);
    }
}

/// Whether an address asks for TLS.
fn has_tls(address: &SecretString) -> bool {
    address.expose_secret().trim().starts_with("rediss://")
}

/// How Redis is reached, where there is none, is a mistake: most likely the address is.
fn check_redis(check: &mut Check<'_>) {
    let live = check.get::<LiveLocation>("live_store").cloned();
    // An address that cannot be used was told already.
    let is_hub = matches!(live, Some(LiveLocation::Hub(_)));
    let addresses = [
        (
            "live_store",
            live.as_ref().and_then(LiveLocation::redis).cloned(),
        ),
        ("redis_url", check.get::<SecretString>("redis_url").cloned()),
    ];
    if check.is_set("redis_ca_file") {
        for (id, address) in addresses {
            if address.is_some_and(|address| !has_tls(&address)) {
                let (file, name) = (check.name("redis_ca_file"), check.name(id));
                check.refuse(format!(
                    "{file} is set, but {name} names a Redis without TLS, and nothing would be checked: write rediss://, or leave {file} out"
                ));
            }
        }
    }
    if !is_hub || check.is_set("redis_url") {
        return;
    }
    for id in ["redis_password", "redis_ca_file"] {
        if check.is_set(id) {
            let (name, live) = (check.name(id), check.name("live_store"));
            check.refuse(format!(
                "{name} is set, but no Redis is: write its address into {live} or CODEX_REDIS_URL"
            ));
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
