//! What is wrong, and how values are shown there.

use std::ffi::OsStr;
use std::fmt;

/// How much of a value is repeated, in characters.
const SHOWN: usize = 200;

/// Everything that is wrong with the settings of a program. There is at least one thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems {
    pub(crate) program: String,
    pub(crate) list: Vec<String>,
}

impl Problems {
    /// One sentence for each.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, list } = self;
        match list.len() {
            1 => writeln!(f, "{program} cannot start; its settings have a mistake:")?,
            count => writeln!(
                f,
                "{program} cannot start; its settings have {count} mistakes:"
            )?,
        }
        for problem in list {
            writeln!(f, "  - {problem}")?;
        }
        write!(
            f,
            "`{program} --help` and docs/configuration.md say what each setting means."
        )
    }
}

/// A value that is no secret, for a message. Somebody may still have put one into an address, so who signs in there and what comes
/// after a question mark is left out.
pub(crate) fn shown(value: &OsStr) -> String {
    let text = value.to_string_lossy();
    let (text, query) = match text.split_once('?') {
        Some((text, _)) if text.contains("://") => (text, "?***"),
        _ => (&*text, ""),
    };
    let text = match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://***@{host}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    };
    let mut text = format!("{text}{query}");
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push_str("...");
    }
    format!("{text:?}")
}

/// A reason as a parser gives it, which may repeat the value.
pub(crate) fn without(value: &OsStr, reason: String) -> String {
    let text = value.to_string_lossy();
    // A reason that has a single letter or digit in common with the value repeats nothing.
    if text.len() < 4 || !reason.contains(&*text) {
        return reason;
    }
    reason.replace(&*text, "***")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_addresses_are_left_out() {
        for (value, expected) in [
            ("127.0.0.1:x", "\"127.0.0.1:x\""),
            ("what?", "\"what?\""),
            ("https://me:s3cret@host/p", "\"https://***@host/p\""),
            ("https://me:s3@cret@host", "\"https://***@host\""),
            ("s3://a/b?key=s3cret", "\"s3://a/b?***\""),
            (
                "https://me:s3cret@host?k=s3cret",
                "\"https://***@host?***\"",
            ),
            ("two\nlines", "\"two\\nlines\""),
        ] {
            assert_eq!(shown(OsStr::new(value)), expected);
        }
        assert!(shown(OsStr::new(&"ä".repeat(1000))).len() < 500);
    }

    #[test]
    fn reasons_do_not_repeat_the_value() {
        let reason = "\"s3cret\" is no key".to_owned();
        assert_eq!(without(OsStr::new("s3cret"), reason), "\"***\" is no key");
        let reason = "write a number".to_owned();
        assert_eq!(without(OsStr::new("e"), reason.clone()), reason);
    }
}
