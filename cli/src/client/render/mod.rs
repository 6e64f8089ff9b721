//! Events as people like to read them.

use std::{collections::HashSet, io, io::Write};

use serde_json::Value;

use crate::client::{
    follow::Event,
    text::{clean, headline, without_shell},
};

/// Of a longer output, only so many lines at its beginning and its end are shown.
const OUTPUT_LINES: (usize, usize) = (120, 60);

/// Writes events for people. Whatever a task printed is cleaned of what steers terminals.
pub struct Renderer<W> {
    out: W,
    colors: bool,
    /// The commands whose line stands already, by item id.
    announced: HashSet<String>,
    state: Option<String>,
}

/// How a piece of text looks.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Cyan,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
            Self::Red => "\u{1b}[31m",
            Self::Yellow => "\u{1b}[33m",
            Self::Cyan => "\u{1b}[36m",
        }
    }
}

impl<W: Write> Renderer<W> {
    /// A renderer onto `out`.
    pub fn new(out: W, colors: bool) -> Self {
        Self {
            out,
            colors,
            announced: HashSet::new(),
            state: None,
        }
    }

    /// Writes one event, and hands it over to the operating system at once.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match event.name.as_str() {
            "status" => self.status(&event.data)?,
            "log" => {
                let style = if event.data["stream"] == "stderr" {
                    Style::Dim
                } else {
                    Style::Plain
                };
                self.line(style, text(&event.data, "line"))?;
            }
            "item" => self.item(&event.data)?,
            "gap" => {
                let count = event.data["count"].as_u64();
                let count = count.map_or("Some".to_owned(), |count| count.to_string());
                self.line(
                    Style::Yellow,
                    &format!("! {count} lines of the log are lost for good"),
                )?;
            }
            "done" => self.done(&event.data)?,
            _ => {}
        }
        self.out.flush()
    }

    /// Writes a remark of this program's own.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn remark(&mut self, remark: &str) -> io::Result<()> {
        self.line(Style::Dim, &format!("· {remark}"))?;
        self.out.flush()
    }

    fn status(&mut self, data: &Value) -> io::Result<()> {
        // Each connection begins with the present state; the end is told by `done`.
        let state = text(data, "state");
        if self.state.as_deref() == Some(state) {
            return Ok(());
        }
        self.state = Some(state.to_owned());
        match (state, data["queue_position"].as_u64()) {
            ("queued", Some(position)) => {
                self.line(Style::Dim, &format!("· queued, number {position} in line"))
            }
            ("queued" | "running", _) => self.line(Style::Dim, &format!("· {state}")),
            _ => Ok(()),
        }
    }

    fn item(&mut self, event: &Value) -> io::Result<()> {
        let item = &event["item"];
        match text(event, "type") {
            "item.started" => self.item_began(item),
            "item.updated" if item["type"] == "todo_list" => self.plan(item),
            "item.completed" => self.item_ended(item),
            "turn.completed" => self.usage(&event["usage"]),
            "turn.failed" => self.line(
                Style::Red,
                &format!("✗ {}", text(&event["error"], "message")),
            ),
            "error" => self.line(Style::Yellow, &format!("! {}", text(event, "message"))),
            "runner.patch" => Ok(()),
            kind if kind.starts_with("runner.") => match event["message"].as_str() {
                Some(message) => self.line(Style::Dim, &format!("· {message}")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn item_began(&mut self, item: &Value) -> io::Result<()> {
        match text(item, "type") {
            "command_execution" => {
                self.announced.insert(text(item, "id").to_owned());
                self.command_line(item)
            }
            "todo_list" => self.plan(item),
            _ => Ok(()),
        }
    }

    fn item_ended(&mut self, item: &Value) -> io::Result<()> {
        match text(item, "type") {
            "agent_message" => {
                self.line(Style::Plain, "")?;
                self.line(Style::Plain, text(item, "text"))
            }
            "reasoning" => self.line(Style::Dim, &text(item, "text").replace("**", "")),
            "command_execution" => self.command_ended(item),
            "file_change" => self.files(item),
            "mcp_tool_call" => {
                let outcome = item["error"]
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or(text(item, "status"));
                let call = format!(
                    "⚙ {}.{}: {outcome}",
                    text(item, "server"),
                    text(item, "tool")
                );
                self.line(failure_style(item), &call)
            }
            "web_search" => self.line(Style::Cyan, &format!("⌕ {}", text(item, "query"))),
            "collab_tool_call" => self.line(
                Style::Cyan,
                &format!("⚙ {}: {}", text(item, "tool"), text(item, "status")),
            ),
            "error" => self.line(Style::Yellow, &format!("! {}", text(item, "message"))),
            // A plan is complete when the turn ends; it has been shown with its last change.
            "todo_list" => Ok(()),
            other => self.line(Style::Dim, &format!("· {other}")),
        }
    }

    fn command_line(&mut self, item: &Value) -> io::Result<()> {
        self.line(Style::Plain, "")?;
        self.line(
            Style::Bold,
            &format!("$ {}", without_shell(text(item, "command"))),
        )
    }

    fn command_ended(&mut self, item: &Value) -> io::Result<()> {
        if !self.announced.remove(text(item, "id")) {
            self.command_line(item)?;
        }
        self.output(text(item, "aggregated_output"))?;
        match item["exit_code"].as_i64() {
            Some(0) => Ok(()),
            Some(code) => self.line(Style::Red, &format!("✗ exit code {code}")),
            None => self.line(Style::Red, &format!("✗ {}", text(item, "status"))),
        }
    }

    fn output(&mut self, output: &str) -> io::Result<()> {
        let lines: Vec<&str> = output.lines().collect();
        let (head, tail) = OUTPUT_LINES;
        if lines.len() <= head + tail {
            return lines
                .iter()
                .try_for_each(|line| self.line(Style::Plain, line));
        }
        lines[..head]
            .iter()
            .try_for_each(|line| self.line(Style::Plain, line))?;
        let hidden = lines.len() - head - tail;
        self.line(
            Style::Dim,
            &format!("  … {hidden} lines more; `codex-remote logs --raw` has them all"),
        )?;
        lines[lines.len() - tail..]
            .iter()
            .try_for_each(|line| self.line(Style::Plain, line))
    }

    fn files(&mut self, item: &Value) -> io::Result<()> {
        self.line(Style::Plain, "")?;
        for change in item["changes"].as_array().into_iter().flatten() {
            let mark = match text(change, "kind") {
                "add" => "+",
                "delete" => "-",
                _ => "~",
            };
            self.line(
                failure_style(item),
                &format!("{mark} {}", text(change, "path")),
            )?;
        }
        if item["status"] == "failed" {
            self.line(Style::Red, "✗ the files were not changed")
        } else {
            Ok(())
        }
    }

    fn plan(&mut self, item: &Value) -> io::Result<()> {
        self.line(Style::Plain, "")?;
        for step in item["items"].as_array().into_iter().flatten() {
            let mark = if step["completed"] == true { "x" } else { " " };
            self.line(Style::Cyan, &format!("[{mark}] {}", text(step, "text")))?;
        }
        Ok(())
    }

    fn usage(&mut self, usage: &Value) -> io::Result<()> {
        let tokens = |name: &str| usage[name].as_u64().unwrap_or(0);
        let (input, cached, output) = (
            tokens("input_tokens"),
            tokens("cached_input_tokens"),
            tokens("output_tokens"),
        );
        self.line(Style::Plain, "")?;
        self.line(
            Style::Dim,
            &format!("· tokens: {input} in ({cached} from the cache), {output} out"),
        )
    }

    fn done(&mut self, data: &Value) -> io::Result<()> {
        let reason = text(data, "reason");
        let message = match text(data, "message") {
            "" => reason.to_owned(),
            message if reason.is_empty() => message.to_owned(),
            message => format!("{reason}: {message}"),
        };
        match text(data, "state") {
            "completed" => self.line(Style::Dim, "· completed"),
            "canceled" => self.line(Style::Yellow, "! canceled"),
            _ => {
                let code = data["exit_code"]
                    .as_i64()
                    .map(|code| format!(" with exit code {code}"));
                let message = if message.is_empty() {
                    message
                } else {
                    format!(": {}", headline(&message, 500))
                };
                self.line(
                    Style::Red,
                    &format!("✗ the task failed{}{message}", code.unwrap_or_default()),
                )
            }
        }
    }

    fn line(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = clean(text);
        let text = text.trim_end_matches('\n');
        if self.colors && !text.is_empty() && !style.code().is_empty() {
            writeln!(self.out, "{}{text}\u{1b}[0m", style.code())
        } else {
            writeln!(self.out, "{text}")
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn failure_style(item: &Value) -> Style {
    if item["status"] == "failed" {
        Style::Red
    } else {
        Style::Cyan
    }
}

#[cfg(test)]
mod tests;
