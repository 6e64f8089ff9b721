//! What single settings may be. The reasons go to whoever starts the operator; those about secrets do not repeat them.

use std::path::PathBuf;

use axum::http::Uri;
use codex_settings::values::dns_subdomain;
use secrecy::SecretString;

use super::HostAlias;
use crate::keys::{Nonces, TokenSigner};

/// Whether Pods get user namespaces of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserNamespaces {
    /// Where the nodes say that they have them.
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// What is known about the network of Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NetworkPolicies {
    /// Nobody has said whether policies are enforced.
    Unverified,
    /// They are: somebody has tried it.
    Enforced,
    /// Pods have no network, so nothing has to keep them from it.
    Unneeded,
}

/// A taint that Pods tolerate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; without one, any.
    pub value: Option<String>,
    /// Its effect; without one, any.
    pub effect: Option<String>,
}

/// Always, never, or as the nodes say.
pub fn user_namespaces(text: &str) -> Result<UserNamespaces, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(UserNamespaces::Auto),
        "true" | "yes" | "on" | "1" => Ok(UserNamespaces::Always),
        "false" | "no" | "off" | "0" => Ok(UserNamespaces::Never),
        _ => Err("write auto, true or false".to_owned()),
    }
}

/// `pool=codex`
pub fn node_label(text: &str) -> Result<(String, String), String> {
    match text.trim().split_once('=') {
        Some((key, value)) if is_label_key(key) && is_label_value(value) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write labels of nodes, for example pool=codex".to_owned()),
    }
}

/// `dedicated=codex:NoSchedule`, `dedicated:NoSchedule`, `dedicated=codex` or `dedicated`
pub fn taint(text: &str) -> Result<Taint, String> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let (taint, effect) = match text.trim().split_once(':') {
        Some((taint, effect)) => (taint, Some(effect)),
        None => (text.trim(), None),
    };
    let (key, value) = match taint.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (taint, None),
    };
    if is_label_key(key)
        && value.is_none_or(is_label_value)
        && effect.is_none_or(|effect| EFFECTS.contains(&effect))
    {
        Ok(Taint {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            effect: effect.map(str::to_owned),
        })
    } else {
        Err("write taints as kubectl does, for example dedicated=codex:NoSchedule".to_owned())
    }
}

/// The name of a queue, which becomes the value of a label.
pub fn queue_name(text: &str) -> Result<String, String> {
    match dns_subdomain(text) {
        Ok(name) if name.len() <= 63 => Ok(name),
        Ok(_) => Err("write the name of a LocalQueue, of at most 63 characters".to_owned()),
        Err(reason) => Err(reason),
    }
}

/// A label's key: a name, with the domain of whoever made it up before a slash.
fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => {
            dns_subdomain(domain).is_ok() && !name.is_empty() && is_label_value(name)
        }
        None => !text.is_empty() && is_label_value(text),
    }
}

fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}

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
    fn places_of_pods_are_checked() {
        assert!(node_label("kubernetes.io/arch=amd64").is_ok() && node_label("pool=").is_ok());
        for bad in ["pool", "=a", "a/b/c=d", "pool=-a", "p l=a"] {
            assert!(node_label(bad).is_err(), "{bad}");
        }
        let full = taint("dedicated=codex:NoSchedule").unwrap();
        assert_eq!(
            (full.value.as_deref(), full.effect.as_deref()),
            (Some("codex"), Some("NoSchedule"))
        );
        assert_eq!(taint("spot").unwrap().value, None);
        for bad in ["", ":NoSchedule", "a=b:Never", "a=b=c"] {
            assert!(taint(bad).is_err(), "{bad}");
        }
        assert!(queue_name("team-a").is_ok() && queue_name("Team").is_err());
        assert_eq!(user_namespaces("AUTO"), Ok(UserNamespaces::Auto));
        assert!(user_namespaces("perhaps").is_err());
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
