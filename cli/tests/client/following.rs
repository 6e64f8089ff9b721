//! `run` and `logs`: a task watched over a network that breaks.

use axum::http::StatusCode;
use serde_json::json;

use crate::{
    gateway::{Connection, Ending, Gateway, TASK, done, event, log, status},
    program::User,
};

fn connection(events: Vec<String>, ending: Ending) -> Connection {
    Connection { events, ending }
}

#[tokio::test]
async fn each_number_is_printed_once_over_broken_connections() {
    let gateway = Gateway::start(vec![
        connection(
            vec![status("queued"), status("running"), log(1), log(2)],
            Ending::Break,
        ),
        connection(vec![], Ending::Refuse(StatusCode::SERVICE_UNAVAILABLE)),
        // Goes back further than it was asked to.
        connection(
            vec![status("running"), log(1), log(2), log(3)],
            Ending::Break,
        ),
        // Breaks within an event.
        connection(
            vec![
                status("running"),
                log(4),
                "event: log\nid: 5\ndata: {\"li".to_owned(),
            ],
            Ending::Break,
        ),
        connection(vec![status("running")], Ending::End),
        connection(
            vec![
                ": keep-alive\n\n".to_owned(),
                log(5),
                event(
                    "log",
                    Some(8),
                    &json!({"line": "joined", "from": 6, "stream": "stdout"}),
                ),
                event("gap", Some(9), &json!({"count": 1})),
                log(10),
                done("completed", Some(0)),
            ],
            Ending::End,
        ),
    ])
    .await;
    let output = User::of(&gateway).run(&["run", "--json", "go"], "").await;
    output.assert_code(0);
    let numbers: Vec<_> = output
        .events()
        .iter()
        .filter_map(|event| event["id"].as_u64())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 8, 9, 10]);
    assert_eq!(
        output.events().last().unwrap()["data"],
        json!({"exit_code": 0, "state": "completed"})
    );
    let asked = gateway.seen(|seen| {
        seen.streams
            .iter()
            .map(|(after, _)| after.clone())
            .collect::<Vec<_>>()
    });
    let expected = [None, Some("2"), Some("2"), Some("3"), Some("4"), Some("4")];
    assert_eq!(
        asked,
        expected.map(|after: Option<&str>| after.map(str::to_owned))
    );
    assert!(output.stderr.contains("reconnecting"), "{output:?}");
}

#[tokio::test]
async fn a_task_is_shown_to_people() {
    let item = |kind: &str, item: serde_json::Value| json!({"type": kind, "item": item});
    let command = |output: &str, code: Option<i32>| {
        json!({"id": "item_0", "type": "command_execution", "command": "/bin/bash -lc 'ls'",
            "aggregated_output": output, "exit_code": code})
    };
    let gateway = Gateway::start(vec![
        connection(
            vec![
                status("running"),
                event("item", Some(1), &item("item.started", command("", None))),
            ],
            Ending::Break,
        ),
        connection(
            vec![
                status("running"),
                event(
                    "item",
                    Some(2),
                    &item("item.completed", command("README.md\n", Some(0))),
                ),
                event(
                    "log",
                    Some(3),
                    &json!({"line": "a \u{1b}]0;title\u{7}warning", "stream": "stderr"}),
                ),
                event(
                    "item",
                    Some(4),
                    &item(
                        "item.completed",
                        json!({"type": "agent_message", "text": "Done."}),
                    ),
                ),
                event(
                    "done",
                    None,
                    &json!({"exit_code": 7, "state": "error", "reason": "ExitCode"}),
                ),
            ],
            Ending::End,
        ),
    ])
    .await;
    let output = User::of(&gateway)
        .run(
            &["run", "go", "--cwd", "/srv/repos/demo", "--env", "A=b=c"],
            "",
        )
        .await;
    output.assert_code(7);
    let without_remarks: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| !line.starts_with("· reconnecting"))
        .collect();
    assert_eq!(
        without_remarks.join("\n"),
        "· running\n\n$ ls\nREADME.md\na warning\n\nDone.\n✗ the task failed with exit code 7: ExitCode"
    );
    assert!(output.stderr.contains(TASK));
    let (_, body) = gateway.seen(|seen| seen.tasks[0].clone());
    assert_eq!(
        body,
        json!({"prompt": "go", "cwd": "/srv/repos/demo", "env": {"A": "b=c"}})
    );
}

#[tokio::test]
async fn the_prompt_comes_from_standard_input() {
    for arguments in [
        &["run", "-", "--detach"][..],
        &["run", "--detach", "--model", "m", "--timeout", "60"],
    ] {
        let gateway = Gateway::start(vec![]).await;
        let output = User::of(&gateway).run(arguments, "from the pipe\n").await;
        output.assert_code(0);
        assert_eq!(output.stdout, format!("{TASK}\n"));
        gateway.seen(|seen| assert_eq!(seen.tasks[0].1["prompt"], "from the pipe\n"));
    }
    let gateway = Gateway::start(vec![]).await;
    let output = User::of(&gateway).run(&["run"], " \n").await;
    output.assert_code(1);
    assert!(output.stderr.contains("the prompt is empty"));
}

#[tokio::test]
async fn a_task_is_offered_again_with_the_same_key() {
    let gateway = Gateway::start(vec![]).await;
    *gateway.state.refusals.lock().unwrap() = 2;
    User::of(&gateway)
        .run(&["run", "--detach", "go"], "")
        .await
        .assert_code(0);
    let keys = gateway.seen(|seen| {
        seen.tasks
            .iter()
            .map(|(key, _)| key.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() >= 16));
}

#[tokio::test]
async fn a_refused_task_says_why() {
    let gateway = Gateway::start(vec![]).await;
    let output = User::of(&gateway)
        .run(&["run", "--cwd", "/etc", "go"], "")
        .await;
    output.assert_code(1);
    assert!(
        output
            .stderr
            .contains("/etc is in no repository (invalid_cwd, status 422, request r-1)"),
        "{output:?}"
    );
    assert_eq!(gateway.seen(|seen| seen.tasks.len()), 1);
}

#[tokio::test]
async fn ctrl_c_cancels_and_stays_to_the_end() {
    let gateway = Gateway::start(vec![connection(
        vec![status("running"), log(1)],
        Ending::UntilCanceled,
    )])
    .await;
    let user = User::of(&gateway);
    let mut run = user.start(&["run", "go"]);
    run.wait_for("line 1").await;
    run.interrupt();
    let output = run.end().await;
    output.assert_code(130);
    assert!(
        output.stdout.contains("canceling the task") && output.stdout.contains("! canceled"),
        "{output:?}"
    );
    gateway.seen(|seen| assert_eq!(seen.canceled, [TASK]));
}

#[tokio::test]
async fn ctrl_c_twice_leaves() {
    let events = vec![status("running"), log(1)];
    let gateway = Gateway::start(vec![connection(events, Ending::Never)]).await;
    let user = User::of(&gateway);
    let mut run = user.start(&["run", "go"]);
    run.wait_for("line 1").await;
    run.interrupt();
    run.wait_for("canceling the task").await;
    run.interrupt();
    let output = run.end().await;
    output.assert_code(130);
    assert!(output.stdout.contains("leaving"), "{output:?}");
}

#[tokio::test]
async fn whoever_only_watches_does_not_cancel() {
    let events = vec![status("running"), log(1)];
    let gateway = Gateway::start(vec![connection(events, Ending::Never)]).await;
    let user = User::of(&gateway);
    let mut logs = user.start(&["logs", "-f", TASK]);
    logs.wait_for("line 1").await;
    logs.interrupt();
    logs.end().await.assert_code(130);
    gateway.seen(|seen| assert!(seen.canceled.is_empty()));
}

#[tokio::test]
async fn logs_end_where_a_running_task_is() {
    let gateway = Gateway::start(vec![connection(
        vec![status("running"), log(5)],
        Ending::UntilCanceled,
    )])
    .await;
    let output = User::of(&gateway)
        .run(&["logs", TASK, "--after", "4"], "")
        .await;
    output.assert_code(0);
    assert_eq!(output.stdout, "· running\nline 5\n");
    gateway.seen(|seen| assert_eq!(seen.streams[0].0.as_deref(), Some("4")));
}

#[tokio::test]
async fn raw_logs_keep_the_streams_apart() {
    let line = |id, line: &str, stream: &str| {
        event("log", Some(id), &json!({"line": line, "stream": stream}))
    };
    let events = vec![
        status("completed"),
        line(1, "{\"type\":\"turn.started\"}", "stdout"),
        line(2, "careful \u{1b}[31m", "stderr"),
        done("error", Some(3)),
    ];
    let gateway = Gateway::start(vec![connection(events, Ending::End)]).await;
    let output = User::of(&gateway).run(&["logs", "--raw", TASK], "").await;
    // Without -f the command is about the log, not about the task.
    output.assert_code(0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("{\"type\":\"turn.started\"}\n", "careful \u{1b}[31m\n")
    );
    gateway.seen(|seen| assert_eq!(seen.streams[0].1.as_deref(), Some("view=raw")));
}

#[tokio::test]
async fn a_login_that_ends_is_told_with_what_to_do() {
    let gateway = Gateway::start(vec![
        connection(vec![status("running"), log(1)], Ending::Break),
        connection(vec![], Ending::Refuse(StatusCode::UNAUTHORIZED)),
    ])
    .await;
    let output = User::of(&gateway).run(&["run", "go"], "").await;
    output.assert_code(1);
    assert!(
        output
            .stderr
            .contains(&format!("codex-remote login {}", gateway.url())),
        "{output:?}"
    );
    assert!(
        output.stderr.contains(&format!(
            "the task goes on, see `codex-remote logs -f {TASK}`"
        )),
        "{output:?}"
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_read_does_not_end_the_rest() {
    let odd = "event: item\nid: 1\ndata: {\"type\":\"x\",\"n\":1e400}\n\n".to_owned();
    let events = vec![status("running"), odd, log(2), done("completed", Some(0))];
    let gateway = Gateway::start(vec![connection(events, Ending::End)]).await;
    let output = User::of(&gateway).run(&["logs", "--json", TASK], "").await;
    output.assert_code(0);
    assert_eq!(output.events()[1]["data"], "{\"type\":\"x\",\"n\":1e400}");
    assert_eq!(output.events()[2]["id"], 2);
}
