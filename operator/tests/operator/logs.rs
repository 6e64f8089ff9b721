//! Logs through everything that happens to connections.

use codex_crds::{Phase, conditions};
use codex_tasklog::{Body, FrameEncoder, LiveLog as _, Stream};
use futures::StreamExt as _;
use serde_json::json;

use crate::support::{World, condition, eventually, lines, whole};

async fn live_reaches(world: &World, id: &str, last: u64) {
    let live = world.setup.live();
    let reached = eventually(async || {
        let now = live.last(id).await.ok()?;
        (now >= last).then_some(())
    })
    .await;
    assert!(reached.is_some(), "the live log never came to {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_loses_and_repeats_nothing() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut expected = Vec::new();
    for round in 0..5 {
        for number in 0..40 {
            let text = format!("{round}.{number}");
            runner.line(&text);
            expected.push(text);
            if number == 20 {
                runner.cut();
            }
        }
        live_reaches(&world, &id, expected.len() as u64).await;
        runner.cut();
        runner.until_connected(round + 2).await;
    }
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), expected);
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().reason,
        "Archived"
    );
    // Later connections do not begin at the start again.
    assert!(runner.connections().iter().skip(2).any(Option::is_some));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_runner_did_not_write_is_dropped() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("real 1");
    runner.raw(b"plain text\n");
    runner.raw(b"\xff\xfe not even text\n");
    runner.raw(&[vec![b'x'; 300_000], b"\n".to_vec()].concat());
    let mut forged = Vec::new();
    let mut forger = FrameEncoder::new("00000000000000000000000000000000");
    forger.line(Stream::Stdout, "skipped", "", &mut forged);
    forger.line(Stream::Stdout, "forged 2", "", &mut forged);
    forger.end(Default::default(), "", &mut forged);
    runner.raw(&forged);
    runner.beat();
    runner.line("real 2");
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    assert_eq!(whole(&frames).last, 2);
    assert_eq!(lines(&frames), ["real 1", "real 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_a_second_reading_fills_leaves_no_trace() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    live_reaches(&world, &id, 1).await;
    // The second line comes late and out of order; the whole file, read again, has it before the third.
    let mut late = Vec::new();
    let task = world.tasks.get(&id).await.unwrap();
    let mut twin = FrameEncoder::new(world.nonce(&task));
    twin.line(Stream::Stdout, "1", "", &mut Vec::new());
    twin.line(Stream::Stdout, "2", "", &mut late);
    runner.lose("2");
    runner.raw(
        &[late, {
            let mut third = Vec::new();
            twin.line(Stream::Stdout, "3", "", &mut third);
            third
        }]
        .concat(),
    );
    runner.lose("3");
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    assert_eq!(lines(&world.archived(&id).await), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_frames_become_a_gap() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    runner.lose("2");
    runner.lose("3");
    runner.line("4");
    live_reaches(&world, &id, 4).await;
    let mut live = world.setup.live().subscribe(&id, 0).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(live.next().await.unwrap().unwrap());
    }
    assert!(matches!(seen[1].body, Body::Gap { count: 2 }));
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    let archived = condition(&status, conditions::ARCHIVED).unwrap();
    assert_eq!(archived.reason, "LogIncomplete");
    assert!(archived.message.contains("2 frames"));
    let frames = world.archived(&id).await;
    assert_eq!(whole(&frames).last, 4);
}

/// The file was rotated before the operator read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_log_begins_with_a_gap() {
    let world = World::new().await;
    let id = {
        let operator = world.start();
        let id = world.submit(json!({"prompt": "Hello"})).await;
        world.node.until_bound(&format!("codex-{id}")).await;
        operator.kill();
        id
    };
    let mut runner = world.run_pod(&id).await;
    for number in 1..=10 {
        runner.line(&number.to_string());
    }
    runner.rotate(6);
    let _operator = world.start();
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert!(matches!(frames[0].body, Body::Gap { count: 6 }));
    assert_eq!(lines(&frames), ["7", "8", "9", "10"]);
}

/// Node agents cut long streams; that is not the end of the container.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_is_not_the_end() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    for round in 1..4 {
        runner.until_connected(round).await;
        runner.cut();
    }
    runner.line("still here");
    let status = world.tasks.get(&id).await.unwrap().status.unwrap();
    assert!(!status.phase.unwrap_or_default().is_final());
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    assert_eq!(lines(&world.archived(&id).await), ["still here"]);
}

/// A connection that is open and says nothing, not even the runner's signs of life, is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stalls_is_made_again() {
    let mut world = World::new().await;
    world.setup.timing.idle = std::time::Duration::from_millis(300);
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    live_reaches(&world, &id, 1).await;
    for number in 2..5 {
        runner.stall();
        runner.line(&number.to_string());
        live_reaches(&world, &id, number).await;
    }
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), ["1", "2", "3", "4"]);
}

/// A sign of life keeps a connection on which nothing else happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_with_signs_of_life_stays() {
    let mut world = World::new().await;
    world.setup.timing.idle = std::time::Duration::from_millis(1_500);
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    live_reaches(&world, &id, 1).await;
    let connections = runner.connections().len();
    let mut beats = tokio::time::interval(std::time::Duration::from_millis(100));
    for _ in 0..30 {
        beats.tick().await;
        runner.beat();
    }
    assert_eq!(runner.connections().len(), connections);
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_in_the_middle_comes_again() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let mut expected = Vec::new();
    for number in 1..=20 {
        runner.tear();
        let text = format!("{number} {}", "z".repeat(100));
        runner.line(&text);
        expected.push(text);
        live_reaches(&world, &id, number).await;
    }
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), expected);
}

/// Node agents report trouble as text in an answer that looks fine.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_says_of_itself_is_counted() {
    let world = World::new().await;
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("1");
    runner.raw(b"failed to create fsnotify watcher: too many open files");
    runner.raw(b"\nunable to retrieve container logs for containerd://abc\n");
    runner.line("2");
    live_reaches(&world, &id, 2).await;
    let metrics = operator.metrics().await;
    assert!(
        metrics.contains("codex_operator_dropped_lines_total 2\n"),
        "{metrics}"
    );
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    assert_eq!(lines(&world.archived(&id).await), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_arrives_whole() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    let long = "y".repeat(100_000);
    runner.line(&long);
    for number in 0..20_000 {
        runner.line(&format!("line {number}"));
    }
    runner.exit(0);
    let status = world.until_phase(&id, Phase::Completed).await;
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().reason,
        "Archived"
    );
    let frames = world.archived(&id).await;
    whole(&frames);
    let texts = lines(&frames);
    assert_eq!(texts.last().unwrap(), "line 19999");
    let head: String = texts[..texts.len() - 20_000].concat();
    assert_eq!(head, long);
}
