//! What single settings may be. The reasons go to whoever starts the gateway; those about secrets do not repeat them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;

use http::HeaderValue;
use ipnet::IpNet;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::auth::keys::{Key, KeySource};
use crate::auth::oidc::OidcSettings;
use crate::auth::password::{MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};
use crate::http::handlers::users::check_email;

/// The address of PostgreSQL.
pub fn database_url(text: &str) -> Result<SecretString, String> {
    let scheme = text.split("://").next().unwrap_or_default();
    match PgConnectOptions::from_str(text) {
        Ok(_) if matches!(scheme, "postgres" | "postgresql") => Ok(text.into()),
        // The parser's reason may repeat a part of the address.
        _ => Err("write postgres://user:password@host:port/database".to_owned()),
    }
}

/// One or more private keys in PEM.
pub fn signing_keys(text: &str) -> Result<SecretString, String> {
    match Key::all_from_pem(text) {
        Some(_) => Ok(text.into()),
        None => Err(
            "write Ed25519 private keys, each made with: openssl genpkey -algorithm ed25519"
                .to_owned(),
        ),
    }
}

/// A file with one of them.
pub fn key_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text.trim());
    match Key::read(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(told(&error)),
    }
}

/// A folder of them.
pub fn key_folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match KeySource::Folder(path.clone()).read() {
        Ok(_) => Ok(path),
        Err(error) => Err(told(&error)),
    }
}

/// A network, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let parsed = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match parsed {
        // Most likely somebody meant one address.
        Some(network) if network.addr() != network.network() => {
            let (all, one) = (network.trunc(), network.addr());
            Err(format!(
                "write {all} for the network, or {one} for the address"
            ))
        }
        Some(network) => Ok(network),
        None => Err("write a network like 10.0.0.0/8 or 2001:db8::/32, or an address".to_owned()),
    }
}

/// An address of a user.
pub fn email(text: &str) -> Result<String, String> {
    match check_email(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(invalid) => Err(invalid.message),
    }
}

/// A password that a user may have.
pub fn password(text: &str) -> Result<SecretString, String> {
    if (MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(format!(
            "a password has {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes"
        ))
    }
}

/// An origin of web pages.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim();
    let is_origin = (text.starts_with("https://") || text.starts_with("http://"))
        && text.matches('/').count() == 2
        && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
    value.ok_or_else(|| {
        "write origins as browsers do, without a path, for example https://app.example.com"
            .to_owned()
    })
}

/// The database itself keeps the last 30 days.
pub fn audit_days(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(days) if days == 0 || (30..=36_500).contains(&days) => Ok(days),
        _ => Err(
            "write a number of days from 30 to 36500, or 0 to keep the audit log for ever"
                .to_owned(),
        ),
    }
}

/// An address that secrets may be sent to.
pub fn safe_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(OidcSettings::is_safe);
    url.ok_or_else(|| "write an https address (http is for this machine only)".to_owned())
}

/// The same, as it is written: it has to be equal to what stands in tokens.
pub fn issuer(text: &str) -> Result<String, String> {
    safe_url(text).map(|_| text.to_owned())
}

/// Where a sign-in may return to.
pub fn return_address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_good = Url::parse(text).is_ok_and(|url| {
        // Whatever is no web address is a scheme that an app has registered; those of the browser itself are none.
        let is_app =
            !["http", "https", "javascript", "data", "blob", "file"].contains(&url.scheme());
        url.fragment().is_none() && (is_app || OidcSettings::is_safe(&url))
    });
    if is_good {
        Ok(text.to_owned())
    } else {
        Err("write full addresses without fragment, for example codexremote://signed-in".to_owned())
    }
}

fn told(error: &crate::error::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        for good in ["https://a.example", " http://localhost:3000"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "https://a.example/",
            "a.example",
            "null",
            "https://A.example",
            "https://a.example:443",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_networks() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 2001:db8::/32", "2001:db8::/32"),
            ("192.0.2.1", "192.0.2.1/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), meant);
        }
        for bad in ["", "proxy", "10.0.0.0/33", "10.0.0.1/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
        let reason = network("10.0.0.1/8").unwrap_err();
        assert!(reason.contains("10.0.0.0/8"), "{reason}");
    }

    #[test]
    fn addresses_must_be_safe() {
        assert!(safe_url("https://codex.example").is_ok());
        for bad in ["http://login.example", "login", ""] {
            assert!(issuer(bad).is_err(), "{bad}");
        }
        for good in ["codexremote://signed-in", "http://localhost:3000/"] {
            assert!(return_address(good).is_ok(), "{good}");
        }
        for bad in ["http://app.example/", "javascript:x", "app", "a://b#c"] {
            assert!(return_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reasons_do_not_repeat_secrets() {
        for bad in [
            "postgres://u:s3cret@h:99999999/d",
            "mysql://u:s3cret@h/d",
            "s3cret",
        ] {
            let reason = database_url(bad).unwrap_err();
            assert!(!reason.contains("s3cret"), "{reason}");
        }
        assert!(database_url("postgres://u:p@h:5432/d").is_ok());
        assert!(password("s3cret").is_err() && password("long enough").is_ok());
        assert!(signing_keys("s3cret").is_err());
    }

    #[test]
    fn the_audit_log_goes_back_far_enough() {
        assert_eq!((audit_days("0"), audit_days("30")), (Ok(0), Ok(30)));
        assert!(audit_days("29").is_err() && audit_days("x").is_err());
    }
}
