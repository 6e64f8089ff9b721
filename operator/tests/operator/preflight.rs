//! What the operator says about a cluster that is not as it should be.

use codex_crds::CodexRepository;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::{NAMESPACE, World, install};

/// The rows of the table, with what is withheld for each and what has to be said then.
fn rows() -> Vec<(bool, Vec<String>, String)> {
    let table: Vec<Value> = serde_json::from_str(include_str!("../../rights.json")).unwrap();
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let verbs: Vec<String> = row["verbs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|verb| verb.as_str().unwrap().to_owned())
            .collect();
        let rights = verbs
            .iter()
            .map(|verb| format!("{verb} {}/{}", text("group"), text("resource")));
        let told = format!(
            "the operator may not {} {}",
            verbs.join(", "),
            text("resource")
        );
        (row["stops"] == true, rights.collect(), told)
    };
    table.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_without_which_nothing_runs_is_waited_for() {
    let mut world = World::new().await;
    world.setup.flags = vec!["--allow-host-path=true".into()];
    let front = world.front().await;
    let rows = rows().into_iter().filter(|(stops, ..)| *stops);
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 5);
    front.withhold(rows[0].1.clone());
    let program = Program::start(&world.setup);
    for (_, rights, told) in &rows {
        front.withhold(rights.clone());
        let readiness = program
            .until_readiness(503, &format!("- error: {told}"))
            .await;
        assert!(
            readiness.contains("templates/operator/rbac.yaml"),
            "{readiness}"
        );
        assert!(program.log().contains(told), "{}", program.log());
    }
    // As soon as it is given, the operator goes on by itself.
    front.withhold([]);
    program.until_readiness(200, "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rights_are_told_and_tasks_run() {
    let mut world = World::new().await;
    world.setup.flags = vec![
        "--allow-host-path=true".into(),
        "--allow-list=codex-allow-list".into(),
    ];
    let front = world.front().await;
    let rows = rows().into_iter().filter(|(stops, ..)| !stops);
    let rows: Vec<_> = rows.collect();
    front.withhold(rows.iter().flat_map(|(_, rights, _)| rights.clone()));
    let program = Program::start(&world.setup);
    let readiness = program.until_readiness(200, "- warning: ").await;
    for (_, _, told) in &rows {
        assert!(
            readiness.contains(&format!("- warning: {told}")),
            "{told}: {readiness}"
        );
    }
    let metrics = program.metrics().await;
    assert!(
        metrics.contains("codex_operator_preflight_findings{severity=\"error\"} 0\n"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("codex_operator_preflight_findings{severity=\"warning\"} 0\n"),
        "{metrics}"
    );
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let mut runner = world.run_pod(&id).await;
    runner.exit(0);
    world.until_phase(&id, codex_crds::Phase::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_waited_for_and_old_ones_are_told() {
    let world = World::bare().await;
    let program = Program::start(&world.setup);
    let readiness = program
        .until_readiness(
            503,
            "- error: the cluster does not serve CodexTask in codexrunner.io/v1alpha1",
        )
        .await;
    assert!(
        readiness.contains("kubectl apply --server-side"),
        "{readiness}"
    );
    let mut old = codex_crds::definitions();
    for definition in &mut old {
        let schema = definition.spec.versions[0].schema.as_mut().unwrap();
        let root = schema.open_api_v3_schema.as_mut().unwrap();
        let properties = root.properties.as_mut().unwrap();
        let spec = properties.get_mut("spec").unwrap();
        spec.properties.as_mut().unwrap().remove("queueName");
        spec.x_kubernetes_validations = None;
    }
    install(&world.client, old).await;
    program.until_readiness(200, "ready").await;
    // Servers publish what they serve a moment later, so this is for the next operator.
    let next = Program::start(&world.setup);
    let told = "- warning: the definition codextasks.codexrunner.io in the cluster is older than this operator and drops spec.queueName.";
    next.until_readiness(200, told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walls_around_tasks_are_looked_at() {
    let mut world = World::new().await;
    world.setup.flags = vec!["--leader-election=false".into()];
    world
        .repository(
            "claimed",
            json!({"persistentVolumeClaim": {"claimName": "repos"}}),
        )
        .await;
    let program = Program::start(&world.setup);
    let readiness = program.until_readiness(200, "ready").await;
    for told in [
        "- warning: the namespace codex-tasks enforces the Pod security level \"privileged\"",
        "- warning: nobody has said whether the network plugin",
        "- warning: no NetworkPolicy in codex-tasks is for what leaves the Pods of tasks",
        "- warning: the repository claimed names the PersistentVolumeClaim repos, which is not there",
        "- warning: the repository demo is a folder of the node",
        "- warning: 1 of 1 nodes have no user namespaces (local)",
    ] {
        assert!(readiness.contains(told), "{told}: {readiness}");
    }
    drop(program);

    // Everything is repaired.
    let params = PatchParams::default();
    let label =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces
        .patch(NAMESPACE, &params, &Patch::Merge(label))
        .await
        .unwrap();
    let policies: Api<NetworkPolicy> = Api::namespaced(world.client.clone(), NAMESPACE);
    let policy = json!({"metadata": {"name": "closed"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}});
    let policy = serde_json::from_value(policy).unwrap();
    policies
        .create(&PostParams::default(), &policy)
        .await
        .unwrap();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(world.client.clone(), NAMESPACE);
    let claim = json!({"metadata": {"name": "repos"}, "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = serde_json::from_value(claim).unwrap();
    claims.create(&PostParams::default(), &claim).await.unwrap();
    let repositories: Api<CodexRepository> = Api::namespaced(world.client.clone(), NAMESPACE);
    repositories
        .delete("demo", &Default::default())
        .await
        .unwrap();
    let features = json!({"status": {"runtimeHandlers": [{"name": "", "features": {"userNamespaces": true}}]}});
    let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(world.client.clone());
    nodes
        .patch_status("local", &params, &Patch::Merge(features))
        .await
        .unwrap();
    world.setup.flag("--network-policies=enforced");
    let program = Program::start(&world.setup);
    let readiness = program.until_readiness(200, "ready").await;
    assert!(readiness.ends_with("\r\n\r\nready\n"), "{readiness}");

    // The node has user namespaces now, so Pods get them.
    let id = world.submit(json!({"prompt": "Hello"})).await;
    let pod = world
        .node
        .until(&format!("codex-{id}"), "there", |_| true)
        .await;
    assert_eq!(pod.spec.unwrap().host_users, Some(false));
}
