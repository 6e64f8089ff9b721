//! Text of others on this terminal.

use std::borrow::Cow;

/// Takes out what steers a terminal: escape sequences, control characters but tab and line feed, and characters that
/// turn the direction of text. What an agent prints must not move the cursor, set the title or hide anything.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => match rest.next() {
                // A control sequence ends at the first byte from @ to ~.
                Some('[') => while rest.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
                // A string, such as a title or the clipboard, ends with BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(next) = rest.next() {
                        if next == '\u{7}' || (next == '\u{1b}' && rest.next_if_eq(&'\\').is_some())
                        {
                            break;
                        }
                    }
                }
                _ => {}
            },
            character if steers(character) => {}
            character => clean.push(character),
        }
    }
    Cow::Owned(clean)
}

/// The first line, cut to so many characters.
#[must_use]
pub fn headline(text: &str, width: usize) -> String {
    let line = clean(text.trim().lines().next().unwrap_or_default()).replace('\t', " ");
    if line.chars().count() <= width {
        return line;
    }
    let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Codex wraps what it runs: `/bin/bash -lc 'ls'` is shown as `ls`.
#[must_use]
pub fn without_shell(command: &str) -> String {
    let Some((shell, rest)) = command.split_once(' ') else {
        return command.to_owned();
    };
    let script = rest
        .strip_prefix("-lc ")
        .or_else(|| rest.strip_prefix("-c "));
    match script {
        Some(script) if shell.ends_with("sh") => {
            match script.strip_prefix('\'').and_then(|s| s.strip_suffix('\'')) {
                Some(quoted) => quoted.replace("'\\''", "'").replace("'\"'\"'", "'"),
                None => match script
                    .strip_prefix('"')
                    .and_then(|script| script.strip_suffix('"'))
                {
                    Some(quoted) => quoted
                        .replace("\\\"", "\"")
                        .replace("\\$", "$")
                        .replace("\\\\", "\\"),
                    None => script.to_owned(),
                },
            }
        }
        _ => command.to_owned(),
    }
}

fn steers(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for (dirty, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]52;c;ZXZpbA==\u{1b}\\b", "ab"),
            ("a\r\nb\u{8}\u{9b}2Jc", "a\nb2Jc"),
            ("x\u{202e}y", "xy"),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(clean(dirty), expected);
        }
    }

    #[test]
    fn headlines_are_short() {
        assert_eq!(headline("\n one\ntwo", 10), "one");
        assert_eq!(headline("0123456789", 5), "0123…");
    }

    #[test]
    fn shells_are_taken_off() {
        for (command, shown) in [
            ("/bin/bash -c 'ls -la'", "ls -la"),
            ("bash -lc \"echo \\\"x\\\" \\$HOME\"", "echo \"x\" $HOME"),
            ("/bin/sh -c ls", "ls"),
            ("python -c 'print()'", "python -c 'print()'"),
        ] {
            assert_eq!(without_shell(command), shown);
        }
    }
}
