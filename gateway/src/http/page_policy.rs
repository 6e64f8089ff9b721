//! The content security policy of pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Scripts and styles come from the gateway itself, none stand in the page.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Where the hashes go.
const SCRIPTS: &str = "script-src 'self'";

/// The policy for a page: the same, but for the scripts that stand in it now.
#[must_use]
pub fn page_policy(html: &[u8]) -> String {
    let mut scripts = SCRIPTS.to_owned();
    for script in inline_scripts(html) {
        scripts.push_str(" 'sha256-");
        scripts.push_str(&STANDARD.encode(Sha256::digest(script)));
        scripts.push('\'');
    }
    PAGE_POLICY.replacen(SCRIPTS, &scripts, 1)
}

/// The texts of all scripts without `src`. Inside a script only its end tag ends it, so nothing needs to be parsed but tags.
fn inline_scripts(html: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let tag = find(rest, b"<script")?;
            rest = &rest[tag + b"<script".len()..];
            let open_end = find(rest, b">")?;
            let attributes = &rest[..open_end];
            rest = &rest[open_end + 1..];
            let end = find(rest, b"</script")?;
            let script = &rest[..end];
            rest = &rest[end..];
            if find(attributes, b" src=").is_none() && !script.is_empty() {
                return Some(script);
            }
        }
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(html: &str) -> Vec<&str> {
        inline_scripts(html.as_bytes())
            .map(|script| std::str::from_utf8(script).unwrap())
            .collect()
    }

    #[test]
    fn scripts_of_the_page_itself_are_found() {
        let html = r#"<script src="/a.js" async=""></script><script>1<2</script><p>src=</p>
            <script id="x">"<script>"</script><script></script><script>cut"#;
        assert_eq!(scripts(html), ["1<2", "\"<script>\""]);
    }

    #[test]
    fn the_policy_names_each_of_them() {
        // From the specification's own example: echo -n "alert('Hello, world.');" | openssl sha256 -binary | openssl base64
        let policy = page_policy(b"<script>alert('Hello, world.');</script>");
        assert!(
            policy.contains(
                "script-src 'self' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; style-src 'self';"
            ),
            "{policy}"
        );
        assert_eq!(page_policy(b"<p>none</p>"), PAGE_POLICY);
    }
}
