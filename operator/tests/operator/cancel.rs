//! Ends that users ask for.

use codex_crds::{Phase, conditions};
use codex_tasklog::EndReport;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::support::{World, condition, lines, reason, whole};

fn is_deadline_lowered(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| {
        spec.active_deadline_seconds
            .is_some_and(|limit| limit < 3600)
    })
}

fn stopped() -> EndReport {
    EndReport {
        exit_code: Some(130),
        reason: Some("Canceled".into()),
        message: None,
        ..EndReport::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_ended_gently_and_keeps_its_output() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("before");
    world.until_phase(&id, Phase::Running).await;
    world.cancel(&id).await;
    let name = format!("codex-{id}");
    let pod = world
        .node
        .until(&name, "its limit lowered", is_deadline_lowered)
        .await;
    assert!(pod.metadata.deletion_timestamp.is_none());
    // Who wanted it was written down first.
    let status = world.tasks.get(&id).await.unwrap().status.unwrap();
    assert_eq!(
        condition(&status, conditions::CANCEL_REQUESTED)
            .unwrap()
            .status,
        "True"
    );
    assert_eq!(status.phase, Some(Phase::Running));

    runner.line("after");
    runner.end(stopped());
    let deadline = json!({"reason": "DeadlineExceeded"});
    runner.terminate_as(130, "Error", deadline).await;
    let status = world.until_phase(&id, Phase::Canceled).await;
    assert_eq!(reason(&status), "Canceled");
    assert_eq!(status.exit_code, Some(130));
    assert_eq!(lines(&world.archived(&id).await), ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_done_in_the_same_moment_is_completed() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    world.until_phase(&id, Phase::Running).await;
    world.cancel(&id).await;
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_task_never_gets_a_pod() {
    let mut world = World::new().await;
    world.setup.flag("--max-running=0");
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    world
        .until(&id, "queued", |task| {
            task.status
                .as_ref()
                .and_then(|status| status.queue_position)
                == Some(1)
        })
        .await;
    world.cancel(&id).await;
    let status = world.until_phase(&id, Phase::Canceled).await;
    assert_eq!(status.queue_position, None);
    assert!(status.pod_name.is_none());
    assert_eq!(
        whole(&world.archived(&id).await).reason.as_deref(),
        Some("Canceled")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_no_node_took_up_is_deleted() {
    let world = World::new().await;
    world.node.cordon().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    world.node.until(&name, "there", |_| true).await;
    world.cancel(&id).await;
    world.until_phase(&id, Phase::Canceled).await;
    world.until_pod_gone(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_is_ended_gently_and_archived() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("kept");
    world.until_phase(&id, Phase::Running).await;
    world.delete(&id).await;
    let name = format!("codex-{id}");
    world
        .node
        .until(&name, "its limit lowered", is_deadline_lowered)
        .await;
    assert!(world.tasks.get_opt(&id).await.unwrap().is_some());
    runner.end(stopped());
    runner.terminate(130).await;
    world.until_gone(&id).await;
    world.node.confirm_deletion(&name).await;
    world.until_pod_gone(&id).await;
    let frames = world.archived(&id).await;
    assert_eq!(lines(&frames), ["kept"]);
    whole(&frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_can_be_deleted() {
    let mut world = World::new().await;
    world.setup.flag("--max-running=1");
    let _operator = world.start();
    let first = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&first).await;
    world.until_phase(&first, Phase::Running).await;
    let second = world.submit(json!({"prompt": "Hello"})).await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces
        .delete(crate::support::NAMESPACE, &DeleteParams::default())
        .await
        .unwrap();
    world.until_gone(&second).await;
    runner.end(stopped());
    runner.terminate(130).await;
    world.until_gone(&first).await;
    world.node.confirm_deletion(&format!("codex-{first}")).await;
    let gone = crate::support::eventually(async || {
        let namespace = namespaces.get_opt(crate::support::NAMESPACE).await.unwrap();
        namespace.is_none().then_some(())
    })
    .await;
    assert!(gone.is_some(), "the namespace is still there");
}

/// Somebody removes the finalizer by hand: the Pod must not stay for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_task_is_let_go() {
    let world = World::new().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let runner = world.run_pod(&id).await;
    world.until_phase(&id, Phase::Running).await;
    let patch = json!({"metadata": {"finalizers": null}});
    world.delete(&id).await;
    // The operator may put it back only before the deletion, so once is enough.
    let patched = world
        .tasks
        .patch(&id, &Default::default(), &kube::api::Patch::Merge(patch))
        .await;
    assert!(patched.is_ok());
    world.until_gone(&id).await;
    runner.close();
    let name = format!("codex-{id}");
    world
        .node
        .until(&name, "deleted", |pod| {
            pod.metadata.deletion_timestamp.is_some()
        })
        .await;
    world.node.confirm_deletion(&name).await;
    world.until_pod_gone(&id).await;
}
