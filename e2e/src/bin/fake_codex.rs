//! Stands in for the Codex CLI where a test needs many tasks or exact behaviour: speaks `codex exec --json`, plays the
//! scenario that the prompt on standard input asks for, and needs neither a model nor a configuration.
//!
//! Directives in the prompt are played in their order, between the beginning of the turn and its one command and message:
//!
//! | directive | what happens |
//! |---|---|
//! | `[fake:lines N]` | `line 1` to `line N` on standard output |
//! | `[fake:stderr N]` | the same on standard error |
//! | `[fake:events N]` | messages `event 1` to `event N` |
//! | `[fake:bytes N]` | one line of N bytes |
//! | `[fake:sleep S]` | S seconds pass; fractions are welcome |
//! | `[fake:until PATH]` | nothing, until there is a file; tests make it in the repository, which a task sees under `/srv/repos` |
//! | `[fake:exit N]` | the turn ends here: N is the exit code, and any but 0 a failed turn |

use std::io::{self, BufWriter, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// How many bytes of a long line are written at once.
const CHUNK: [u8; 4096] = [b'x'; 4096];

/// How often a file that is waited for is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        println!("codex-cli 0.0.0-fake");
        return ExitCode::SUCCESS;
    }
    match play() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fake-codex: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> io::Result<u8> {
    let mut prompt = String::new();
    io::stdin().read_to_string(&mut prompt)?;
    let mut stage = Stage {
        out: BufWriter::new(io::stdout()),
        items: 0,
    };
    let thread = format!("00000000-0000-7000-8000-{:012}", std::process::id());
    stage.event(&json!({"type": "thread.started", "thread_id": thread}))?;
    stage.event(&json!({"type": "turn.started"}))?;
    for act in acts(&prompt) {
        if let Some(code) = stage.play(&act.map_err(io::Error::other)?)? {
            return stage.end(code);
        }
    }
    stage.command("true", "")?;
    stage.message("Done.")?;
    stage.end(0)
}

/// One directive.
#[derive(Debug, PartialEq)]
enum Act {
    Lines(u64),
    Stderr(u64),
    Events(u64),
    Bytes(u64),
    Sleep(Duration),
    Until(PathBuf),
    Exit(u8),
}

/// All directives of a prompt, or what is wrong with one.
fn acts(prompt: &str) -> impl Iterator<Item = Result<Act, String>> {
    let directives = prompt.split("[fake:").skip(1);
    directives.map(|rest| {
        let directive = rest.split(']').next().unwrap_or_default();
        let wrong = || format!("[fake:{directive}] cannot be played");
        let (name, argument) = directive.split_once(' ').ok_or_else(wrong)?;
        let number = || argument.parse::<u64>().map_err(|_| wrong());
        Ok(match name {
            "lines" => Act::Lines(number()?),
            "stderr" => Act::Stderr(number()?),
            "events" => Act::Events(number()?),
            "bytes" => Act::Bytes(number()?),
            "sleep" => {
                let seconds = argument.parse().map_err(|_| wrong())?;
                Act::Sleep(Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?)
            }
            "until" => Act::Until(argument.into()),
            "exit" => Act::Exit(argument.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        })
    })
}

struct Stage<W> {
    out: W,
    items: u64,
}

impl<W: Write> Stage<W> {
    /// Plays an act; the answer is the exit code when it ends the turn.
    fn play(&mut self, act: &Act) -> io::Result<Option<u8>> {
        match act {
            Act::Lines(count) => number_lines(&mut self.out, *count)?,
            Act::Stderr(count) => number_lines(BufWriter::new(io::stderr()), *count)?,
            Act::Events(count) => {
                for number in 1..=*count {
                    self.message(&format!("event {number}"))?;
                }
            }
            Act::Bytes(count) => self.long_line(*count)?,
            Act::Sleep(time) => std::thread::sleep(*time),
            Act::Until(path) => {
                while !path.exists() {
                    std::thread::sleep(LOOK_AGAIN);
                }
            }
            Act::Exit(code) => return Ok(Some(*code)),
        }
        Ok(None)
    }

    fn end(&mut self, code: u8) -> io::Result<u8> {
        if code == 0 {
            let usage = json!({
                "input_tokens": 10,
                "cached_input_tokens": 0,
                "output_tokens": 1,
                "reasoning_output_tokens": 0,
            });
            self.event(&json!({"type": "turn.completed", "usage": usage}))?;
        } else {
            let message = format!("the prompt asked for exit code {code}");
            self.event(&json!({"type": "turn.failed", "error": {"message": message}}))?;
        }
        Ok(code)
    }

    fn command(&mut self, command: &str, output: &str) -> io::Result<()> {
        let id = self.next_id();
        let item = |exit_code: Value, output: &str, status: &str| {
            json!({
                "id": id,
                "type": "command_execution",
                "command": command,
                "aggregated_output": output,
                "exit_code": exit_code,
                "status": status,
            })
        };
        let started = item(Value::Null, "", "in_progress");
        self.event(&json!({"type": "item.started", "item": started}))?;
        let completed = item(0.into(), output, "completed");
        self.event(&json!({"type": "item.completed", "item": completed}))
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        let item = json!({"id": self.next_id(), "type": "agent_message", "text": text});
        self.event(&json!({"type": "item.completed", "item": item}))
    }

    fn next_id(&mut self) -> String {
        let id = format!("item_{}", self.items);
        self.items += 1;
        id
    }

    fn long_line(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let length = CHUNK
                .len()
                .min(usize::try_from(count).unwrap_or(usize::MAX));
            self.out.write_all(&CHUNK[..length])?;
            count -= length as u64;
        }
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn event(&mut self, event: &Value) -> io::Result<()> {
        writeln!(self.out, "{event}")?;
        self.out.flush()
    }
}

fn number_lines(mut out: impl Write, count: u64) -> io::Result<()> {
    for number in 1..=count {
        writeln!(out, "line {number}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_in_their_order() {
        let prompt =
            "a [fake:lines 2] [fake:sleep 0.5]\n[fake:exit 3][fake:stderr 1] [fake:bytes 9]";
        let found: Result<Vec<_>, _> = acts(prompt).collect();
        assert_eq!(
            found.unwrap(),
            [
                Act::Lines(2),
                Act::Sleep(Duration::from_millis(500)),
                Act::Exit(3),
                Act::Stderr(1),
                Act::Bytes(9)
            ]
        );
        assert_eq!(acts("nothing to play").count(), 0);
        for wrong in [
            "[fake:lines]",
            "[fake:lines x]",
            "[fake:exit 256]",
            "[fake:sleep -1]",
            "[fake:dance 1]",
        ] {
            assert!(acts(wrong).any(|act| act.is_err()), "{wrong}");
        }
    }

    #[test]
    fn a_turn_is_one_event_a_line() {
        let mut stage = Stage {
            out: Vec::new(),
            items: 0,
        };
        stage.command("true", "").unwrap();
        stage.play(&Act::Events(2)).unwrap();
        stage.play(&Act::Bytes(5000)).unwrap();
        assert_eq!(stage.end(1).unwrap(), 1);
        let text = String::from_utf8(stage.out).unwrap();
        let types: Vec<_> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line)
                    .map_or(Value::Null, |event| event["type"].clone())
            })
            .collect();
        let item = "item.completed";
        assert_eq!(
            types,
            [
                json!("item.started"),
                json!(item),
                json!(item),
                json!(item),
                Value::Null,
                json!("turn.failed")
            ]
        );
        assert_eq!(text.lines().nth(4).unwrap().len(), 5000);
    }
}
