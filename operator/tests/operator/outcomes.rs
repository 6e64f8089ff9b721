//! Ways in which tasks end badly.

use codex_crds::{Phase, conditions};
use codex_tasklog::{Body, EndReport};
use serde_json::json;

use crate::support::node::container;
use crate::support::{World, condition, lines, reason, whole};

#[tokio::test(flavor = "multi_thread")]
async fn another_exit_code_is_an_error_with_the_words_of_the_runner() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.end(EndReport {
        exit_code: Some(3),
        reason: None,
        message: Some("The model was overloaded.".into()),
        ..EndReport::default()
    });
    runner.terminate(3).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "ExitCode");
    assert_eq!(status.exit_code, Some(3));
    assert_eq!(status.message.as_deref(), Some("The model was overloaded."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_dies_leaves_a_log_with_an_end() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("one");
    runner.line("two");
    runner.terminate_as(137, "OOMKilled", json!({})).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "OOMKilled");
    assert_eq!(status.exit_code, None);
    let frames = world.archived(&id).await;
    assert_eq!(lines(&frames), ["one", "two"]);
    let end = whole(&frames);
    assert_eq!((end.last, end.reason.as_deref()), (2, Some("OOMKilled")));
    // The log itself is complete.
    assert_eq!(
        condition(&status, conditions::ARCHIVED).unwrap().reason,
        "Archived"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_is_told_from_a_cancel() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "timeoutSeconds": 77}))
        .await;
    let mut runner = world.run_pod(&id).await;
    runner.end(EndReport {
        exit_code: Some(130),
        reason: Some("Canceled".into()),
        message: None,
        ..EndReport::default()
    });
    let deadline = json!({"reason": "DeadlineExceeded", "message": "Pod was active too long"});
    runner.terminate_as(130, "Error", deadline).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "Timeout");
    assert!(status.message.unwrap().contains("77 s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_that_took_the_log_is_told() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let runner = world.run_pod(&id).await;
    runner.until_connected(1).await;
    world.node.lose_log(&format!("codex-{id}"));
    let evicted = json!({"reason": "Evicted", "message": "The node was low on disk."});
    runner.terminate_as(137, "Error", evicted).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "Evicted");
    assert!(status.message.unwrap().contains("low on disk"));
    assert_eq!(whole(&world.archived(&id).await).last, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_somebody_deletes_is_not_made_again() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    let mut runner = world.run_pod(&id).await;
    world.until_phase(&id, Phase::Running).await;
    runner.line("so far");
    let pods = world.node.pods();
    let first = pods.get(&name).await.unwrap().metadata.uid;
    pods.delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    runner.end(EndReport {
        exit_code: Some(130),
        reason: Some("Canceled".into()),
        message: None,
        ..EndReport::default()
    });
    runner.terminate(130).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "PodDeleted");
    assert_eq!(lines(&world.archived(&id).await), ["so far"]);
    world.node.confirm_deletion(&name).await;
    world.until_pod_gone(&id).await;
    assert!(first.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_ends_at_once_with_a_record() {
    let mut world = World::new().await;
    world.setup.flags = vec!["--env-allow=CI".into()];
    world
        .repository(
            "claim",
            json!({"persistentVolumeClaim": {"claimName": "c"}}),
        )
        .await;
    let _operator = world.start();
    for (spec, expected) in [
        (json!({"prompt": "p", "cwd": "/etc"}), "InvalidCwd"),
        (
            json!({"prompt": "p", "cwd": "/srv/repos/claim/../../x"}),
            "InvalidCwd",
        ),
        (json!({"prompt": "p"}), "InvalidCwd"),
        (
            json!({"prompt": "p", "cwd": "/srv/repos/claim", "env": {"FOO": "1"}}),
            "InvalidEnv",
        ),
        (
            json!({"prompt": "p", "cwd": "/srv/repos/demo"}),
            "HostPathForbidden",
        ),
    ] {
        let id = world.submit(spec.clone()).await;
        let status = world.until_phase(&id, Phase::Error).await;
        assert_eq!(reason(&status), expected, "{spec}");
        assert!(status.pod_name.is_none() && status.started_at.is_none());
        let frames = world.archived(&id).await;
        assert!(matches!(&frames[..], [frame] if matches!(&frame.body,
            Body::End(end) if end.last == 0 && end.reason.as_deref() == Some(expected))));
    }
    let pods = world.node.pods().list(&Default::default()).await.unwrap();
    assert!(pods.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_cannot_start_is_given_up() {
    let mut world = World::new().await;
    world.setup.flag("--pending-seconds=2");
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    world.node.until_bound(&name).await;
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
    let status = json!({"phase": "Pending", "containerStatuses": [container(&waiting)]});
    world.node.status(&name, status).await;
    let deleting =
        |pod: &k8s_openapi::api::core::v1::Pod| pod.metadata.deletion_timestamp.is_some();
    world.node.until(&name, "deleted", deleting).await;
    world.node.confirm_deletion(&name).await;
    let status = world.until_phase(&id, Phase::Error).await;
    assert_eq!(reason(&status), "ImagePull");
    assert!(status.message.unwrap().contains("no such image"));
    world.until_pod_gone(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_the_node_refused_is_tried_again() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    let first = world.node.until_bound(&name).await.metadata.uid;
    let refused = json!({"phase": "Failed", "reason": "OutOfcpu", "message": "no cpu"});
    world.node.status(&name, refused).await;
    // A Pod that has ended needs no confirmation of its deletion.
    let second = world
        .node
        .until(&name, "made again", |pod| pod.metadata.uid != first)
        .await;
    assert_ne!(second.metadata.uid, first);
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
}
