//! What Codex writes becomes frames, whole and in order.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use codex_tasklog::Stream;
use support::Task;

#[test]
fn events_lines_and_the_end_are_told_apart() {
    let done = Task::new(
        r#"echo '{"type":"turn.started"}'; echo '{"no":"type"}'; printf 'text\r\n'; echo oops >&2; printf last"#,
    )
    .run();
    done.assert_exit(0);
    done.assert_end(Some(0), None);
    assert_eq!(done.log.events("turn.started").len(), 1);
    assert_eq!(done.log.stdout(), [r#"{"no":"type"}"#, "text", "last"]);
    assert_eq!(done.log.stderr(), ["oops"]);
    let started = done.log.events("runner.started").remove(0);
    assert_eq!(started["codex_version"], "0.0.0-fixture");
    assert_eq!(started["cwd"], done.dir.join("workspace").to_str().unwrap());
    for frame in &done.log.frames {
        assert_eq!(frame.ts.len(), "2026-01-01T00:00:00.000000Z".len());
    }
}

#[test]
fn the_text_of_an_event_stays_as_it_is() {
    let event = r#"{"z":1.50, "type":"x","a":"\u00e4","id":1,"id":2}"#;
    let done = Task::new(format!("echo '{event}'")).run();
    let found = done.log.pieces.iter().any(
        |piece| matches!(&piece.body, codex_tasklog::JoinedBody::Event { json } if json == event),
    );
    assert!(found, "{:?}", done.log.pieces);
}

#[test]
fn long_lines_stay_whole_and_what_is_not_utf8_is_replaced() {
    let done = Task::new(
        r#"head -c 1048576 /dev/zero | tr '\0' a; echo
           printf '{"type":"big","text":"'; head -c 3000000 /dev/zero | tr '\0' b; printf '"}\n'
           printf '\377ok\n'"#,
    )
    .run();
    done.assert_end(Some(0), None);
    assert_eq!(
        done.log.stdout(),
        ["a".repeat(1024 * 1024).as_str(), "\u{fffd}ok"]
    );
    assert_eq!(
        done.log.events("big")[0]["text"].as_str().unwrap().len(),
        3_000_000
    );
}

#[test]
fn a_line_without_end_is_cut() {
    let done = Task::new("head -c 20000000 /dev/zero | tr '\\0' a").run();
    let lengths: Vec<_> = done.log.stdout().iter().map(|line| line.len()).collect();
    let limit = 8 * 1024 * 1024;
    assert_eq!(lengths, [limit, limit, 20_000_000 - 2 * limit]);
}

#[test]
fn many_lines_arrive_in_order() {
    let done = Task::new("seq 1 200000; seq 1 1000 >&2").run();
    let wanted: Vec<_> = (1..=200_000).map(|number| number.to_string()).collect();
    assert_eq!(done.log.stdout(), wanted);
    assert_eq!(done.log.stderr().len(), 1000);
}

#[test]
fn both_streams_are_read_while_the_other_is_silent() {
    let mut running =
        Task::new("echo one >&2; sleep 0.05; echo two; exec >&-; echo three >&2; sleep 0.05")
            .start();
    running.wait_for_line("three");
    let done = running.finish();
    assert_eq!(
        done.log.lines(),
        [
            (Stream::Stderr, "one"),
            (Stream::Stdout, "two"),
            (Stream::Stderr, "three")
        ]
    );
}

#[test]
fn a_prompt_of_256_kib_arrives_whole() {
    let mut prompt = "wc -c < \"$PROMPT_COPY\"; exit 0\n".to_owned();
    prompt.push_str(&"#".repeat(256 * 1024 - prompt.len()));
    // The fixture keeps the prompt in a variable; its length is that of the text.
    let prompt = prompt.replace("wc -c < \"$PROMPT_COPY\"", "echo ${#script}        ");
    let length = prompt.len();
    let done = Task::new(prompt).run();
    assert_eq!(done.log.stdout(), [length.to_string()]);
}

#[test]
fn a_codex_that_reads_no_prompt_does_not_hang() {
    let task = Task::new("#".repeat(256 * 1024)).env("CODEX_BIN", "/bin/true");
    task.run().assert_end(Some(0), None);
}

#[test]
fn when_nobody_reads_everything_ends() {
    let mut running =
        Task::new("sleep 300 & echo $!; while :; do echo x; sleep 0.01; done").start();
    running.wait_for_line("x");
    let child = running.log.stdout()[0].to_owned();
    running.close_stdout();
    let done = running.finish();
    done.assert_exit(74);
    assert!(!support::is_alive(&child));
}
