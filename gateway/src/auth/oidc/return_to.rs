//! Where a sign-in may return to. An address that anybody could choose would make the gateway send people, and their codes, anywhere.

use url::Url;

/// The longest address, in bytes: it has to fit into a cookie.
const MAX: usize = 1000;

/// The full address for what a client asked for: a path of the gateway, or one of the addresses that are configured.
#[must_use]
pub fn resolve(asked: &str, public_url: &Url, listed: &[String]) -> Option<String> {
    if asked.len() > MAX || asked.contains('#') {
        return None;
    }
    if listed.iter().any(|address| address == asked) {
        return Some(asked.to_owned());
    }
    // Browsers read a backslash as a slash, and skip control characters: `/\evil.example` leads elsewhere.
    let is_plain = asked
        .chars()
        .all(|character| !character.is_control() && character != '\\');
    if !is_plain || !asked.starts_with('/') || asked.starts_with("//") {
        return None;
    }
    let resolved = public_url.join(asked).ok()?;
    (resolved.origin() == public_url.origin()).then(|| resolved.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_and_listed_addresses_are_returned_to() {
        let public: Url = "https://codex.example/".parse().unwrap();
        let listed = ["codexremote://signed-in".to_owned()];
        let resolve = |asked: &str| resolve(asked, &public, &listed);
        assert_eq!(resolve("/").unwrap(), "https://codex.example/");
        assert_eq!(
            resolve("/tasks?x=1").unwrap(),
            "https://codex.example/tasks?x=1"
        );
        assert_eq!(
            resolve("codexremote://signed-in").unwrap(),
            "codexremote://signed-in"
        );
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "https://codex.example.evil.example/",
            "codexremote://signed-in.evil",
            "codexremote://signed-in/x",
            "javascript:alert(1)",
            "/x#code=mine",
            "tasks",
            &format!("/{}", "x".repeat(1000)),
        ] {
            assert_eq!(resolve(bad), None, "{bad:?}");
        }
    }
}
