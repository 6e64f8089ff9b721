//! The scenarios, and how a prompt chooses one.
//!
//! A directive is `[demo:NAME ARGUMENT]`. It ends at the last `]` of its line, so that a shell command may hold brackets.

/// What the demo model is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The demonstration: read, plan, edit, check, sum up.
    Demo,
    /// `[demo:shell CMD]`: run this command once and say what it printed.
    Shell(String),
    /// `[demo:sleep N]`: print a numbered line each second for N seconds.
    Sleep(u32),
    /// `[demo:orphan N]`: the same, after starting a child in a session of its own that outlives the command.
    Orphan(u32),
    /// `[demo:lines N]`: run a command that prints N lines at once.
    Lines(u32),
    /// `[demo:messages N MS]`: N messages, MS milliseconds apart (0 when left out), each of which is an event of its own.
    Messages {
        /// How many.
        count: u32,
        /// Milliseconds before each but the first.
        every_ms: u64,
    },
    /// `[demo:say TEXT]`: say this text and nothing else.
    Say(String),
    /// `[demo:recall]`: say what was asked before in this session.
    Recall,
    /// `[demo:fail]`: run a command that exits with 3, and go on.
    Fail,
    /// `[demo:error STATUS]`: answer every request of the turn with this HTTP status.
    Error(u16),
    /// `[demo:drop]`: break the first stream off, and work when the client asks again.
    Drop,
    /// A directive that cannot be followed, with the reason.
    Invalid(String),
}

impl Scenario {
    /// Picks the scenario from the first directive of a prompt; without one it is the demonstration.
    #[must_use]
    pub fn of_prompt(prompt: &str) -> Self {
        prompt
            .lines()
            .find_map(directive_of_line)
            .map_or(Self::Demo, Self::parse)
    }

    fn parse(directive: &str) -> Self {
        let (name, argument) = directive
            .split_once(char::is_whitespace)
            .unwrap_or((directive, ""));
        let argument = argument.trim();
        match name {
            "shell" if !argument.is_empty() => Self::Shell(argument.to_owned()),
            "sleep" => argument
                .parse()
                .map_or_else(|_| Self::not_a_number(name), Self::Sleep),
            "orphan" => argument
                .parse()
                .map_or_else(|_| Self::not_a_number(name), Self::Orphan),
            "lines" => argument
                .parse()
                .map_or_else(|_| Self::not_a_number(name), Self::Lines),
            "messages" => Self::messages(argument),
            "say" => Self::Say(argument.to_owned()),
            "recall" => Self::Recall,
            "fail" => Self::Fail,
            "error" => match argument.parse() {
                Ok(status @ 400..=599) => Self::Error(status),
                _ => {
                    Self::Invalid("[demo:error STATUS] takes a status from 400 to 599.".to_owned())
                }
            },
            "drop" => Self::Drop,
            _ => Self::Invalid(format!(
                "The demo model has no directive [demo:{directive}]."
            )),
        }
    }

    fn messages(argument: &str) -> Self {
        let (count, every_ms) = argument
            .split_once(char::is_whitespace)
            .unwrap_or((argument, "0"));
        match (count.parse(), every_ms.trim().parse()) {
            (Ok(count), Ok(every_ms)) => Self::Messages { count, every_ms },
            _ => Self::not_a_number("messages"),
        }
    }

    fn not_a_number(name: &str) -> Self {
        Self::Invalid(format!("[demo:{name} N] takes a whole number."))
    }
}

fn directive_of_line(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("[demo:")?;
    rest.rsplit_once(']').map(|(directive, _)| directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_is_understood() {
        let cases = [
            ("Tidy the README.", Scenario::Demo),
            (
                "please [demo:shell test -f a || echo '[x]'] now",
                Scenario::Shell("test -f a || echo '[x]'".to_owned()),
            ),
            ("intro\n[demo:sleep 20]", Scenario::Sleep(20)),
            ("[demo:orphan 3]", Scenario::Orphan(3)),
            ("[demo:lines 1000]", Scenario::Lines(1000)),
            (
                "[demo:messages 5]",
                Scenario::Messages {
                    count: 5,
                    every_ms: 0,
                },
            ),
            (
                "[demo:messages 5 20]",
                Scenario::Messages {
                    count: 5,
                    every_ms: 20,
                },
            ),
            (
                "[demo:say hello there]",
                Scenario::Say("hello there".to_owned()),
            ),
            ("[demo:recall]", Scenario::Recall),
            ("[demo:fail]", Scenario::Fail),
            ("[demo:error 429]", Scenario::Error(429)),
            ("[demo:drop]", Scenario::Drop),
            ("an open [demo:fail", Scenario::Demo),
        ];
        for (prompt, scenario) in cases {
            assert_eq!(Scenario::of_prompt(prompt), scenario, "{prompt}");
        }
    }

    #[test]
    fn nonsense_is_told_rather_than_ignored() {
        for prompt in [
            "[demo:sleep soon]",
            "[demo:error 200]",
            "[demo:shell]",
            "[demo:dance]",
            "[demo:messages 1 x]",
        ] {
            assert!(
                matches!(Scenario::of_prompt(prompt), Scenario::Invalid(_)),
                "{prompt}"
            );
        }
    }
}
