//! Several operators: one works, the others stand by.

use codex_crds::Phase;
use codex_operator::Error;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::operator::{Operator, fetch};
use crate::support::{NAMESPACE, World, eventually, lines, whole};

fn start(world: &mut World, identity: &str) -> Operator {
    world.setup.flag("--leader-election=true");
    world.setup.flag(&format!("--identity={identity}"));
    world.start()
}

async fn finish_one(world: &World) {
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.line("working");
    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    whole(&frames);
    assert_eq!(lines(&frames), ["working"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_by_is_ready_and_takes_over_when_the_first_ends() {
    let mut world = World::new().await;
    let first = start(&mut world, "first");
    assert!(
        fetch(first.listen(), "/readyz")
            .await
            .contains("\r\n\r\nready\n")
    );
    let second = start(&mut world, "second");
    let address = second.listen();
    let readiness = fetch(address, "/readyz").await;
    assert!(
        readiness.contains("200 OK") && readiness.contains("\r\n\r\nstanding by\n"),
        "{readiness}"
    );
    let metrics = fetch(address, "/metrics").await;
    assert!(metrics.contains("codex_operator_leader 0\n"), "{metrics}");
    finish_one(&world).await;

    first.stop();
    // The lease was given back, so nobody waits until it runs out.
    let begin = std::time::Instant::now();
    let works = eventually(async || {
        let metrics = fetch(address, "/metrics").await;
        metrics.contains("codex_operator_leader 1\n").then_some(())
    });
    works.await.expect("the second works");
    assert!(begin.elapsed().as_secs() < 15);
    finish_one(&world).await;
    second.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_lease_is_taken_away_ends_and_starts_again_under_its_name() {
    let mut world = World::new().await;
    world.setup.flag("--lease-seconds=3");
    let operator = start(&mut world, "first");
    operator.listen();
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), NAMESPACE);
    let patch = json!({"spec": {"holderIdentity": "somebody-else"}});
    leases
        .patch(
            "codex-operator",
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
    let error = operator.ended().unwrap_err();
    assert!(
        matches!(error, Error::Ended("the hold on the lease")),
        "{error}"
    );

    // Whoever took it gives no sign of life.
    let _operator = start(&mut world, "first");
    finish_one(&world).await;
    let lease = leases.get("codex-operator").await.unwrap().spec.unwrap();
    assert_eq!(lease.holder_identity.as_deref(), Some("first"));
}
