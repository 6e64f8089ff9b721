//! The parts of a patch, one a file.

use super::Patch;

const HEADER: &[u8] = b"diff --git ";

/// Keeps as many whole files as fit, so that what is kept still applies. `is_more` says that the text was cut already.
pub fn cut(text: &[u8], is_more: bool, limit: usize) -> Patch {
    let mut all = sections(text);
    if is_more {
        all.pop();
    }
    let count = all.len();
    let mut patch = Patch {
        text: String::new(),
        files: 0,
        truncated: is_more,
    };
    let mut used = 0;
    for section in all {
        let section = String::from_utf8_lossy(section);
        used += json_length(&section);
        if used > limit {
            break;
        }
        patch.text.push_str(&section);
        patch.files += 1;
    }
    patch.truncated |= patch.files < count;
    patch
}

/// Attributes that make binary patches of the files whose sections are not UTF-8. `raw` is the list of files,
/// `git diff --raw -z`, in the same order.
pub fn binary_attributes(text: &[u8], raw: &[u8]) -> Vec<u8> {
    let mut sections = sections(text).into_iter();
    let mut attributes = Vec::new();
    for (paths, count) in files(raw) {
        let mut is_text = true;
        for section in sections.by_ref().take(count) {
            is_text &= std::str::from_utf8(section).is_ok();
        }
        if !is_text {
            for path in paths {
                push_pattern(path, &mut attributes);
                attributes.extend_from_slice(b" -diff\n");
            }
        }
    }
    attributes
}

/// Cuts at the lines that begin a file. No other line of a patch begins like that: content has a sign in front of it, and binary
/// data has no spaces.
fn sections(text: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(HEADER) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &text[*start..end])
        .collect()
}

/// The paths of each changed file, and how many sections of the patch it has.
fn files(raw: &[u8]) -> Vec<(Vec<&[u8]>, usize)> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut files = Vec::new();
    while let Some(head) = fields.next().filter(|head| head.first() == Some(&b':')) {
        let status = head
            .rsplit(|byte| *byte == b' ')
            .next()
            .and_then(|status| status.first());
        let path_count = if matches!(status, Some(b'R' | b'C')) {
            2
        } else {
            1
        };
        // A file that becomes a link, or the other way round, is deleted and made anew.
        let section_count = if status == Some(&b'T') { 2 } else { 1 };
        files.push((fields.by_ref().take(path_count).collect(), section_count));
    }
    files
}

/// Writes a path as a quoted pattern that matches nothing else.
fn push_pattern(path: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"/");
    for byte in path {
        match byte {
            b'*' | b'?' | b'[' | b'\\' => {
                // One backslash for the pattern, which the quotes ask to be doubled.
                out.extend_from_slice(b"\\\\");
                out.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// How long a text is in JSON.
fn json_length(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    });
    escaped.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"diff --git a/x b/x\n+1\ndiff --git a/y b/y\n+diff --git a/z b/z\n";

    #[test]
    fn whole_files_are_kept() {
        let whole = cut(TWO, false, 1000);
        assert_eq!(
            (whole.text.as_bytes(), whole.files, whole.truncated),
            (TWO, 2, false)
        );
        let first = cut(TWO, false, 40);
        assert_eq!(
            (first.text.as_str(), first.files, first.truncated),
            ("diff --git a/x b/x\n+1\n", 1, true)
        );
        assert_eq!(cut(TWO, true, 1000), first);
        assert_eq!(
            cut(TWO, false, 1),
            Patch {
                text: String::new(),
                files: 0,
                truncated: true
            }
        );
        assert_eq!(
            cut(b"", false, 1),
            Patch {
                text: String::new(),
                files: 0,
                truncated: false
            }
        );
    }

    #[test]
    fn only_what_is_not_utf8_becomes_binary() {
        let text = b"diff --git a/t b/t\ndiff --git a/t b/t\ndiff --git a/y b/y\n+\xe4\ndiff --git a/z b/z\n+ok\n";
        let raw =
            b":100644 120000 1 2 T\0t\0:100644 100644 1 2 R050\0old \"n\0a*\xff\0:1 1 1 1 M\0z\0";
        let attributes = binary_attributes(text, raw);
        assert_eq!(
            String::from_utf8(attributes).unwrap(),
            "\"/old\\040\\042n\" -diff\n\"/a\\\\\\052\\377\" -diff\n"
        );
    }

    #[test]
    fn lengths_are_those_of_json() {
        let text = "a\"\\\n\r\t\u{1}\u{1b}\u{8}\u{c}\u{7f}ä€😀";
        assert_eq!(
            json_length(text) + 2,
            serde_json::to_string(text).unwrap().len()
        );
    }
}
