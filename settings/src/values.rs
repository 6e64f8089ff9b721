//! Parsers for values that several programs take.

use std::path::PathBuf;

/// A name of Kubernetes: a DNS label.
///
/// # Errors
/// A sentence that says what it has to look like.
pub fn dns_label(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = |byte: u8| is_plain(byte) || byte == b'-';
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if text.len() <= 63
        && bytes.iter().all(|byte| inside(*byte))
        && ends
            .iter()
            .all(|end| end.is_some_and(|byte| is_plain(*byte)))
    {
        Ok(text.to_owned())
    } else {
        Err("write a name of Kubernetes: at most 63 of a-z, 0-9 and -, with a letter or digit at both ends".to_owned())
    }
}

/// Several such names with dots between them, as most objects of Kubernetes may be called.
///
/// # Errors
/// A sentence that says what it has to look like.
pub fn dns_subdomain(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(|label| dns_label(label).is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("write a name of Kubernetes: at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends of each part".to_owned())
    }
}

/// The name of a variable that tasks may set, or the beginning of such names with `*`.
///
/// # Errors
/// A sentence that says what it has to look like.
pub fn variable_pattern(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.strip_suffix('*').unwrap_or(text);
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !text.is_empty()
        && name.bytes().all(inside)
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        Ok(text.to_owned())
    } else {
        Err("write names of variables, or beginnings of names with * at the end".to_owned())
    }
}

/// A folder that is there.
///
/// # Errors
/// A sentence that says that it is not.
pub fn folder(text: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(text) {
        Ok(metadata) if metadata.is_dir() => Ok(text.into()),
        Ok(_) => Err("it is not a folder".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kubernetes_are_checked() {
        assert!(dns_label("codex-tasks").is_ok() && dns_subdomain("a.b-c").is_ok());
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", &"a".repeat(64)] {
            assert!(dns_label(bad).is_err(), "{bad}");
        }
        for bad in ["", ".", "a..b", "a.-b"] {
            assert!(dns_subdomain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_are_checked() {
        for good in ["*", "CI", "MY_*", " CI "] {
            assert!(variable_pattern(good).is_ok(), "{good}");
        }
        for bad in ["", "*A", "A*B", "1A", "A-B", "A B"] {
            assert!(variable_pattern(bad).is_err(), "{bad}");
        }
    }
}
