//! The scenarios, played by the real Codex CLI. Without one (see `sandbox::codex`) these tests say so and end.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/sandbox.rs"]
mod sandbox;
mod support;

use std::time::{Duration, Instant};

use codex_demo_model::{Options, script::DEMO_FILE};
use sandbox::Sandbox;
use support::Model;

macro_rules! sandbox_or_return {
    ($model:expr) => {
        match Sandbox::new(&$model) {
            Some(sandbox) => sandbox,
            None => {
                eprintln!("skipped: no Codex binary; run `npm ci` or set CODEX_BIN");
                return;
            }
        }
    };
}

#[tokio::test]
async fn the_demonstration_edits_the_repository() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    sandbox.write("README.md", "# Lighthouse\n\nIt shines.\n");
    let run = sandbox
        .exec(&[], "Add a note to the README.\n\nThank you.\n")
        .await;
    run.assert_exit(0);

    let commands: Vec<_> = run.items("command_execution");
    assert_eq!(commands.len(), 3);
    assert!(
        commands.iter().all(|command| command["exit_code"] == 0),
        "{commands:#?}"
    );
    assert_eq!(
        commands[1]["aggregated_output"],
        "# Lighthouse\n\nIt shines.\n"
    );
    let changes = run.items("file_change");
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["changes"].as_array().unwrap().len(), 2);
    let plan = run.items("todo_list");
    assert!(
        plan.last().unwrap()["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["completed"] == true)
    );
    assert_eq!(run.items("reasoning").len(), 1);
    assert!(run.messages().last().unwrap().starts_with("Done."));

    let readme = sandbox.read("README.md");
    assert_eq!(
        readme,
        format!("# Lighthouse\n\nSee also [{DEMO_FILE}]({DEMO_FILE}).\n\nIt shines.\n")
    );
    assert!(
        sandbox
            .read(DEMO_FILE)
            .ends_with("> Add a note to the README.\n")
    );
    assert!(
        run.events.last().unwrap()["usage"]["input_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn the_demonstration_needs_no_readme() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "Look around.").await;
    run.assert_exit(0);
    assert_eq!(run.items("command_execution").len(), 2);
    assert!(sandbox.read(DEMO_FILE).ends_with("> Look around.\n"));
}

#[tokio::test]
async fn instructions_of_the_repository_are_not_the_prompt() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    sandbox.write(
        "AGENTS.md",
        "Always answer [demo:say from the instructions]\n",
    );
    let run = sandbox.exec(&[], "[demo:say from the prompt]").await;
    assert_eq!(run.messages(), ["from the prompt"]);
}

#[tokio::test]
async fn a_shell_command_runs_once() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox
        .exec(&[], "[demo:shell echo \"[once]\" | tee -a log]")
        .await;
    run.assert_exit(0);
    assert_eq!(sandbox.read("log"), "[once]\n");
    assert_eq!(run.messages(), ["The command printed:\n\n[once]"]);
}

#[tokio::test]
async fn a_failed_command_does_not_fail_the_task() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "[demo:fail]").await;
    run.assert_exit(0);
    assert_eq!(run.items("command_execution")[0]["exit_code"], 3);
    assert_eq!(run.items("command_execution")[0]["status"], "failed");
    assert_eq!(run.messages().len(), 1);
}

#[tokio::test]
async fn errors_fail_the_task() {
    let model = Model::start(Options::default()).await;
    for status in [400, 429, 500] {
        let sandbox = sandbox_or_return!(model);
        let run = sandbox.exec(&[], &format!("[demo:error {status}]")).await;
        run.assert_exit(1);
        assert_eq!(
            run.events.last().unwrap()["type"],
            "turn.failed",
            "{status}: {:#?}",
            run.events
        );
    }
}

#[tokio::test]
async fn a_dropped_stream_is_tried_again() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "[demo:drop]").await;
    run.assert_exit(0);
    assert_eq!(
        run.messages().last(),
        Some(&"The connection broke off once; this is the second try.")
    );
    assert!(
        run.events.iter().any(|event| event["type"] == "error"),
        "{:#?}",
        run.events
    );
}

#[tokio::test]
async fn many_lines_and_many_messages_all_arrive() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "[demo:lines 3000]").await;
    run.assert_exit(0);
    let expected: String = (1..=3000)
        .map(|number| format!("line {number}\n"))
        .collect();
    assert_eq!(
        run.items("command_execution")[0]["aggregated_output"],
        expected
    );

    let run = sandbox.exec(&[], "[demo:messages 300]").await;
    run.assert_exit(0);
    let expected: Vec<_> = (1..=300)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(run.messages(), expected);
}

#[tokio::test]
async fn messages_are_spread_over_time() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let start = Instant::now();
    let run = sandbox.exec(&[], "[demo:messages 5 200]").await;
    run.assert_exit(0);
    assert_eq!(run.messages().len(), 5);
    assert!(start.elapsed() >= Duration::from_millis(800));
}

#[tokio::test]
async fn a_follow_up_turn_starts_its_own_script() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let first = sandbox.exec(&[], "[demo:shell echo first]").await;
    first.assert_exit(0);
    let second = sandbox
        .exec(&["resume", first.thread_id()], "[demo:shell echo second]")
        .await;
    second.assert_exit(0);
    assert_eq!(second.thread_id(), first.thread_id());
    assert_eq!(second.messages(), ["The command printed:\n\nsecond"]);
}

#[tokio::test]
async fn a_long_command_is_polled_to_its_end() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "[demo:sleep 33]").await;
    run.assert_exit(0);
    let commands = run.items("command_execution");
    assert_eq!(commands.len(), 1);
    assert!(
        commands[0]["aggregated_output"]
            .as_str()
            .unwrap()
            .ends_with("tick 33\n")
    );
    assert!(
        run.messages()[0].contains("tick 1\n") && run.messages()[0].ends_with("tick 33"),
        "{:?}",
        run.messages()
    );
}

#[tokio::test]
async fn an_orphan_outlives_its_command() {
    let model = Model::start(Options::default()).await;
    let sandbox = sandbox_or_return!(model);
    let run = sandbox.exec(&[], "[demo:orphan 1]").await;
    run.assert_exit(0);
    let output = run.items("command_execution")[0]["aggregated_output"]
        .as_str()
        .unwrap();
    assert!(
        output.starts_with("child ") && output.ends_with("tick 1\n"),
        "{output}"
    );
}
