use serde_json::json;

use super::*;

fn render(events: &[(&str, Value)]) -> String {
    let mut renderer = Renderer::new(Vec::new(), false);
    for (name, data) in events {
        let event = Event {
            name: (*name).to_owned(),
            id: None,
            data: data.clone(),
        };
        renderer.event(&event).unwrap();
    }
    String::from_utf8(renderer.out).unwrap()
}

fn command(kind: &str, output: &str, exit_code: Option<i64>) -> (&'static str, Value) {
    let item = json!({"id": "item_0", "type": "command_execution", "command": "/bin/bash -lc 'echo '\\''hi'\\'''",
        "aggregated_output": output, "exit_code": exit_code, "status": "completed"});
    ("item", json!({"type": kind, "item": item}))
}

#[test]
fn a_command_is_shown_once_with_its_output() {
    let events = [
        command("item.started", "", None),
        command("item.completed", "hi\n", Some(0)),
    ];
    assert_eq!(render(&events), "\n$ echo 'hi'\nhi\n");
    assert_eq!(render(&events[1..]), "\n$ echo 'hi'\nhi\n");
    assert!(render(&[command("item.completed", "", Some(3))]).ends_with("✗ exit code 3\n"));
}

#[test]
fn long_output_is_shortened() {
    let output: String = (1..=1000)
        .map(|number| format!("line {number}\n"))
        .collect();
    let shown = render(&[command("item.completed", &output, Some(0))]);
    assert!(
        shown.contains("line 120\n  … 820 lines more") && shown.contains("line 941\n"),
        "{shown}"
    );
}

#[test]
fn every_recorded_event_is_rendered() {
    for line in include_str!("../testdata/exec-events.jsonl").lines() {
        render(&[("item", serde_json::from_str(line).unwrap())]);
    }
    let item = |item: Value| ("item", json!({"type": "item.completed", "item": item}));
    let shown = render(&[
        item(json!({"type": "agent_message", "text": "Hello\u{1b}[2J"})),
        item(
            json!({"type": "file_change", "changes": [{"path": "/workspace/a", "kind": "add"}], "status": "completed"}),
        ),
        (
            "item",
            json!({"type": "turn.failed", "error": {"message": "no"}}),
        ),
        ("gap", json!({"count": 3})),
        ("log", json!({"line": "careful", "stream": "stderr"})),
    ]);
    assert_eq!(
        shown,
        "\nHello\n\n+ /workspace/a\n✗ no\n! 3 lines of the log are lost for good\ncareful\n"
    );
}

#[test]
fn states_are_told_when_they_change() {
    let status = |state: &str| ("status", json!({"state": state}));
    let queued = ("status", json!({"state": "queued", "queue_position": 2}));
    let done = (
        "done",
        json!({"exit_code": null, "state": "error", "reason": "Timeout", "message": "too long"}),
    );
    let shown = render(&[
        queued,
        status("running"),
        status("running"),
        status("error"),
        done,
    ]);
    assert_eq!(
        shown,
        "· queued, number 2 in line\n· running\n✗ the task failed: Timeout: too long\n"
    );
}
