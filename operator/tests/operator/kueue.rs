//! Pods that Kueue holds back.

use codex_crds::{CodexTask, Phase, conditions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::{NAMESPACE, World, condition, eventually, reason};

fn is_gated(task: &CodexTask) -> bool {
    task.status
        .as_ref()
        .is_some_and(|status| reason(status) == "SchedulingGated")
}

/// Kueue has room.
async fn ungate(world: &World, pod: &str) {
    let patch = json!({"spec": {"schedulingGates": null}});
    world
        .node
        .pods()
        .patch(pod, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_in_its_queue_and_runs_when_it_is_let_go() {
    let mut world = World::new().await;
    world.setup.flag("--kueue-queue=everybody");
    let _front = world.front().await;
    let operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "queueName": "team-a"}))
        .await;
    let name = format!("codex-{id}");
    let task = world.until(&id, "held back", is_gated).await;
    let status = task.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Queued));
    let message = status.message.as_deref().unwrap();
    assert!(message.contains("\"team-a\""), "{message}");
    let started = condition(&status, conditions::STARTED).unwrap();
    assert_eq!(
        (started.status.as_str(), started.reason.as_str()),
        ("False", "SchedulingGated")
    );
    let pod = world.node.pods().get(&name).await.unwrap();
    let labels = pod.metadata.labels.unwrap();
    assert_eq!(labels["kueue.x-k8s.io/queue-name"], "team-a");

    // A new operator finds the Pod, gives it a new token and lets it wait on.
    operator.kill();
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    let token = async || {
        let secret = secrets.get(&name).await.unwrap();
        secret.data.unwrap().remove("token").unwrap()
    };
    let before = token().await;
    // A token of the same second would be the same.
    let read_at = Timestamp::now().as_second();
    let later = eventually(async || (Timestamp::now().as_second() > read_at).then_some(())).await;
    later.expect("time goes on");
    let _operator = world.start();
    let renewed = eventually(async || (token().await != before).then_some(())).await;
    renewed.expect("the token is renewed");
    let still = world.node.pods().get(&name).await.unwrap();
    assert_eq!(still.metadata.uid, pod.metadata.uid);

    ungate(&world, &name).await;
    let mut runner = world.run_pod(&id).await;
    let status = world.until_phase(&id, Phase::Running).await;
    assert_eq!((&status.reason, &status.message), (&None, &None));
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_in_a_queue_is_no_failure_to_start() {
    let mut world = World::new().await;
    world.setup.flag("--pending-seconds=1");
    world.setup.flag("--kueue-queue=everybody");
    let _front = world.front().await;
    let operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    world.until(&id, "held back", is_gated).await;
    let first = world.node.pods().get(&name).await.unwrap();
    let admitted = world.tasks.get(&id).await.unwrap();
    let admitted = condition(&admitted.status.unwrap(), conditions::ADMITTED)
        .unwrap()
        .last_transition_time
        .0;
    // Past the time in which a Pod that is not held back has to start. A new operator looks at everything anew.
    operator.kill();
    let past = admitted + jiff::SignedDuration::from_secs(2);
    eventually(async || (jiff::Timestamp::now() > past).then_some(())).await;
    let _operator = world.start();
    let other = world.submit(json!({"prompt": "Hello"})).await;
    world.until(&other, "held back", is_gated).await;
    let pod = world.node.pods().get(&name).await.unwrap();
    assert_eq!(pod.metadata.uid, first.metadata.uid);
    assert_eq!(pod.metadata.deletion_timestamp, None);
    assert!(is_gated(&world.tasks.get(&id).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_in_a_queue_is_canceled() {
    let mut world = World::new().await;
    world.setup.flag("--kueue-queue=everybody");
    let _front = world.front().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    world.until(&id, "held back", is_gated).await;
    world.cancel(&id).await;
    let status = world.until_phase(&id, Phase::Canceled).await;
    assert_eq!(reason(&status), "Canceled");
    assert!(status.started_at.is_none());
    world.until_pod_gone(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_pod_that_somebody_deletes_is_queued_again() {
    let mut world = World::new().await;
    world.setup.flag("--kueue-queue=everybody");
    let _front = world.front().await;
    let _operator = world.start();
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let name = format!("codex-{id}");
    world.until(&id, "held back", is_gated).await;
    let first = world.node.pods().get(&name).await.unwrap().metadata.uid;
    world
        .node
        .pods()
        .delete(&name, &Default::default())
        .await
        .unwrap();
    let is_next = |pod: &Pod| pod.metadata.uid != first;
    world.node.until(&name, "made again", is_next).await;
    ungate(&world, &name).await;
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
}
