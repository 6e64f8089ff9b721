//! What single settings may be. The reasons go to whoever starts the operator; those about secrets do not repeat them.

use std::path::PathBuf;

use axum::http::Uri;
use codex_settings::values::dns_subdomain;
use secrecy::SecretString;

use super::HostAlias;
use crate::keys::{Nonces, TokenSigner};

/// The address that Pods know. The runner in them speaks no TLS: the pod proxy is inside the cluster.
pub fn pod_proxy_url(text: &str) -> Result<String, String> {
    let is_good = text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.query().is_none()
    });
    if is_good {
        Ok(text.to_owned())
    } else {
        Err("write http://HOST:PORT".to_owned())
    }
}

/// The key of tokens.
pub fn token_key(text: &str) -> Result<SecretString, String> {
    let key = SecretString::from(text);
    match TokenSigner::from_pem(&key) {
        Ok(_) => Ok(key),
        Err(error) => Err(error.to_string()),
    }
}

/// The key of nonces.
pub fn nonce_key(text: &str) -> Result<SecretString, String> {
    match Nonces::from_bytes(text.as_bytes().to_vec()) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(error.to_string()),
    }
}

/// A file with the same.
pub fn nonce_key_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match Nonces::from_file(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(error.to_string()),
    }
}

/// A quantity of Kubernetes that is more than nothing.
pub fn quantity(text: &str) -> Result<String, String> {
    const SUFFIXES: [&str; 16] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let is_number = number.parse::<f64>().is_ok_and(|number| number > 0.0);
    let exponent = suffix.strip_prefix(['e', 'E']);
    let is_suffix = SUFFIXES.contains(&suffix)
        || exponent.is_some_and(|exponent| exponent.parse::<i8>().is_ok());
    if is_number && is_suffix {
        Ok(text.to_owned())
    } else {
        Err("write a quantity of Kubernetes, for example 2, 500m or 4Gi".to_owned())
    }
}

/// `10.0.0.7=pod-proxy`
pub fn host_alias(text: &str) -> Result<HostAlias, String> {
    let alias = text.trim().split_once('=').and_then(|(ip, name)| {
        ip.parse::<std::net::IpAddr>().ok()?;
        dns_subdomain(name).ok()?;
        Some(HostAlias {
            ip: ip.to_owned(),
            name: name.to_owned(),
        })
    });
    alias.ok_or_else(|| "write ADDRESS=NAME, for example 10.0.0.7=pod-proxy".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        assert!(host_alias("10.0.0.1=proxy").is_ok());
        assert!(host_alias("proxy=10.0.0.1").is_err());
        assert!(pod_proxy_url("http://10.0.0.7:8787").is_ok());
        for bad in ["https://proxy", "10.0.0.7:8787", "http://proxy?x", ""] {
            assert!(pod_proxy_url(bad).is_err(), "{bad}");
        }
        for good in ["2", "250m", "1.5", "4Gi", "1e9"] {
            assert!(quantity(good).is_ok(), "{good}");
        }
        for bad in ["", "-1", "0", "4GB", "Gi", "1e", "1.2.3"] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reasons_do_not_repeat_secrets() {
        for reason in [
            token_key("s3cret").unwrap_err(),
            nonce_key("s3cret").unwrap_err(),
        ] {
            assert!(!reason.contains("s3cret"), "{reason}");
        }
        assert!(nonce_key(&"x".repeat(32)).is_ok());
        let error = nonce_key_file("/nowhere/key").unwrap_err();
        assert!(error.contains("/nowhere/key"), "{error}");
    }
}
