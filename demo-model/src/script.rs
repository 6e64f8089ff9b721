//! What to answer: a pure function of the turn so far.

use std::time::Duration;

use serde_json::json;

use crate::{
    directive::Scenario,
    reply::{Ending, Item, Reply},
    request::Turn,
};

/// The file that the demonstration writes.
pub const DEMO_FILE: &str = "codex-demo.md";

/// The tools that the script calls. A model name for which Codex offers others cannot be driven.
const NEEDED_TOOLS: [&str; 2] = ["exec_command", "apply_patch"];

/// How long Codex waits for a command before it asks the model again, in milliseconds. The longest that it allows.
const COMMAND_WAIT_MS: u32 = 30_000;

/// The same for polling a command that did not end in that time.
const POLL_WAIT_MS: u32 = 300_000;

/// Decides on the reply to a request.
#[must_use]
pub fn reply(turn: &Turn) -> Reply {
    let scenario = Scenario::of_prompt(&turn.prompt);
    if let Some(session) = turn
        .outputs
        .last()
        .and_then(|output| output.running_session)
    {
        return Reply::items(vec![poll(session)]);
    }
    let step = turn.finished_steps();
    match scenario {
        Scenario::Say(text) => Reply::items(vec![Item::Message(text)]),
        Scenario::Recall => message(format!(
            "Earlier questions: {}. {}",
            turn.earlier.len(),
            turn.earlier.join(" | ")
        )),
        Scenario::Messages { count, every_ms } => Reply::Stream {
            items: (1..=count)
                .map(|number| Item::Message(format!("message {number}")))
                .collect(),
            pause: Duration::from_millis(every_ms),
            ending: Ending::Completed,
        },
        Scenario::Error(status) => Reply::Status {
            status,
            message: format!("The prompt asked the demo model to answer with status {status}."),
        },
        Scenario::Drop if turn.said.is_empty() => Reply::Stream {
            items: vec![Item::Message(
                "The connection breaks after this message.".to_owned(),
            )],
            pause: Duration::ZERO,
            ending: Ending::Dropped,
        },
        Scenario::Drop => {
            message("The connection broke off once; this is the second try.".to_owned())
        }
        Scenario::Invalid(reason) => message(reason),
        _ if !NEEDED_TOOLS.iter().all(|tool| turn.tools.contains(*tool)) => message(format!(
            "The demo model works with the tools {}, which Codex does not offer for the model \"{}\". \
             Choose the model \"gpt-5.5\".",
            NEEDED_TOOLS.join(" and "),
            turn.model,
        )),
        Scenario::Demo => demonstration(turn, step),
        Scenario::Shell(command) => one_command(turn, step, &command),
        Scenario::Fail => one_command(turn, step, "echo 'this command fails' >&2; exit 3"),
        Scenario::Sleep(seconds) => one_command(turn, step, &ticks(seconds)),
        Scenario::Orphan(seconds) => one_command(
            turn,
            step,
            &format!(
                "setsid sh -c '{}' >/dev/null 2>&1 & echo \"child $!\"; {}",
                ticks(seconds),
                ticks(seconds)
            ),
        ),
        Scenario::Lines(count) => one_command(
            turn,
            step,
            &format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo \"line $i\"; done"),
        ),
    }
}

/// The steps of the demonstration. Which there are depends on what the earlier ones found.
fn demonstration(turn: &Turn, step: usize) -> Reply {
    let listing = turn
        .outputs
        .first()
        .map_or("", |output| output.text.as_str());
    let readme = listing.lines().any(|line| line.ends_with(" README.md"));
    let planned = turn.tools.contains("update_plan");

    let mut steps: Vec<Vec<Item>> = vec![vec![
        Item::Reasoning(
            "**Looking around**\n\nFirst I look at what the repository holds.".to_owned(),
        ),
        Item::Message(
            "I will look at the repository, make one small edit, and check it.".to_owned(),
        ),
        command("ls -la"),
    ]];
    if readme {
        steps.push(vec![command("head -n 40 README.md")]);
    }
    if planned {
        steps.push(vec![plan("in_progress", "pending")]);
    }
    steps.push(vec![
        Item::Message(format!("Now I write {DEMO_FILE}.")),
        Item::Custom {
            name: "apply_patch",
            input: patch(turn, readme),
        },
    ]);
    steps.push(vec![command(&format!(
        "wc -l {DEMO_FILE} && cat {DEMO_FILE}"
    ))]);
    if planned {
        steps.push(vec![plan("completed", "completed")]);
    }
    let Some(items) = steps.into_iter().nth(step) else {
        let edited = if readme {
            format!("{DEMO_FILE} and README.md")
        } else {
            DEMO_FILE.to_owned()
        };
        return message(format!(
            "Done. I read the repository, edited {edited} and checked the result. \
             This was the scripted demo model: add credentials to let a real one work.",
        ));
    };
    Reply::items(items)
}

/// Writes the demo file, and names it under the first line of the README when there is one.
fn patch(turn: &Turn, readme: bool) -> String {
    let task = turn
        .prompt
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("(no prompt)");
    let mut patch = format!(
        "*** Begin Patch\n*** Add File: {DEMO_FILE}\n+# Written by the demo model\n+\n+The task was:\n+\n+> {task}\n"
    );
    let title = readme
        .then(|| turn.outputs.get(1)?.text.lines().next())
        .flatten();
    if let Some(title) = title {
        patch.push_str("*** Update File: README.md\n@@\n");
        patch.push_str(&format!(
            "-{title}\n+{title}\n+\n+See also [{DEMO_FILE}]({DEMO_FILE}).\n"
        ));
    }
    patch.push_str("*** End Patch\n");
    patch
}

fn plan(edit: &str, check: &str) -> Item {
    Item::Function {
        name: "update_plan",
        arguments: json!({"plan": [
            {"step": "Look at the repository", "status": "completed"},
            {"step": format!("Write {DEMO_FILE}"), "status": edit},
            {"step": "Check the result", "status": check},
        ]}),
    }
}

/// Runs a command in the first step and tells what it printed in the second.
fn one_command(turn: &Turn, step: usize, line: &str) -> Reply {
    if step == 0 {
        return Reply::items(vec![command(line)]);
    }
    let output = turn.last_step_text();
    match output.trim_end() {
        "" => message("The command printed nothing.".to_owned()),
        text => message(format!("The command printed:\n\n{text}")),
    }
}

fn ticks(seconds: u32) -> String {
    format!("i=0; while [ $i -lt {seconds} ]; do i=$((i+1)); echo \"tick $i\"; sleep 1; done")
}

fn command(line: &str) -> Item {
    Item::Function {
        name: "exec_command",
        arguments: json!({"cmd": line, "yield_time_ms": COMMAND_WAIT_MS}),
    }
}

fn poll(session: u64) -> Item {
    Item::Function {
        name: "write_stdin",
        arguments: json!({"session_id": session, "chars": "", "yield_time_ms": POLL_WAIT_MS}),
    }
}

fn message(text: String) -> Reply {
    Reply::items(vec![Item::Message(text)])
}
