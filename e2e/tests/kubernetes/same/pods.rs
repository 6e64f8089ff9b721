//! Pods and the other kinds that a task needs.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{MERGE_PATCH, PODS, pod, same};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::pods::pods", pods),
    ("same::pods::pods_that_are_refused", pods_that_are_refused),
    ("same::pods::other_kinds", other_kinds),
];

fn pods(world: &World) -> Result<()> {
    same(world, "pods", async |run| {
        // On a node that does not exist, nobody touches it.
        let mut bound = pod("a");
        bound["spec"]["nodeName"] = "codex-nowhere".into();
        bound["spec"]["activeDeadlineSeconds"] = 60.into();
        bound["metadata"]["finalizers"] = json!(["codexrunner.io/test"]);
        let one = format!("{PODS}/a");
        run.post(PODS, &bound, 201).await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"spec": {"activeDeadlineSeconds": 5}}),
            200,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"spec": {"activeDeadlineSeconds": 70}}),
            422,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"spec": {"activeDeadlineSeconds": null}}),
            422,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"spec": {"nodeName": "other"}}),
            422,
        )
        .await?;
        // The status has its own door, both ways.
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"status": {"phase": "Failed"}}),
            200,
        )
        .await?;
        let running = json!({"spec": {"activeDeadlineSeconds": 1}, "status": {
            "phase": "Running",
            "startTime": "2026-01-01T00:00:00Z",
            "containerStatuses": [{
                "name": "main", "image": "codex-runner:local", "imageID": "", "ready": true, "restartCount": 0, "lastState": {},
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }],
        }});
        run.patch(MERGE_PATCH, &format!("{one}/status"), &running, 200)
            .await?;
        run.table(&one).await?;
        run.get(&format!("{PODS}?fieldSelector=status.phase%3DRunning"), 200)
            .await?;
        run.get(
            &format!("{PODS}?fieldSelector=spec.nodeName%3Dcodex-nowhere"),
            200,
        )
        .await?;
        run.get(&format!("{PODS}?fieldSelector=spec.hostname%3Da"), 400)
            .await?;
        run.delete(&one, &json!({"gracePeriodSeconds": 20}), 200)
            .await?;
        // It can only get shorter.
        run.delete(&one, &json!({"gracePeriodSeconds": 40}), 200)
            .await?;
        run.delete(&one, &json!({"gracePeriodSeconds": 0}), 200)
            .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"metadata": {"finalizers": null}}),
            200,
        )
        .await?;
        run.get(&one, 404).await?;
        run.get(&format!("{PODS}/none/log"), 404).await?;
        Ok(())
    })
}

fn pods_that_are_refused(world: &World) -> Result<()> {
    same(world, "bad-pods", async |run| {
        let changes: &[(&str, Value, u16)] = &[
            ("/spec/containers", json!([]), 422),
            ("/spec/containers/0/name", json!("Bad Name"), 422),
            ("/spec/containers/0/image", json!(""), 422),
            ("/spec/restartPolicy", json!("Sometimes"), 422),
            ("/spec/activeDeadlineSeconds", json!(0), 422),
            ("/spec/terminationGracePeriodSeconds", json!(-1), 201),
            (
                "/spec/volumes",
                json!([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
                422,
            ),
            ("/spec/volumes", json!([{"name": "v", "secret": {}}]), 422),
            (
                "/spec/containers/0/volumeMounts",
                json!([{"name": "none", "mountPath": "/x"}]),
                422,
            ),
            (
                "/spec/containers/0/env",
                json!([{"name": "A=B", "value": "x"}]),
                422,
            ),
            (
                "/spec/containers/0/env",
                json!([{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
                422,
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
                422,
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"cpu": "many"}}),
                400,
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"cpu": "-1"}}),
                422,
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"privileged": true, "allowPrivilegeEscalation": false}),
                422,
            ),
            ("/spec/dnsPolicy", json!("None"), 422),
            ("/spec/containers/0/command", json!("not a list"), 400),
            ("/spec/containers/0/imagePullPolicy", json!("Maybe"), 422),
            ("/spec/securityContext", json!({"runAsUser": -1}), 422),
            (
                "/spec/hostAliases",
                json!([{"ip": "nowhere", "hostnames": ["x"]}]),
                422,
            ),
        ];
        for (pointer, value, code) in changes {
            let mut bad = pod("bad");
            set(&mut bad, pointer, value.clone())?;
            run.post(&format!("{PODS}?dryRun=All"), &bad, *code).await?;
        }
        let mut strange = pod("strange");
        set(&mut strange, "/spec/serviceAccountName", json!("nobody"))?;
        strange["spec"]["containers"][0]["comand"] = json!(["x"]);
        run.post(&format!("{PODS}?fieldValidation=Strict"), &strange, 400)
            .await?;
        Ok(())
    })
}

/// Sets a value at a JSON pointer whose last part may be missing.
fn set(object: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let (parent, last) = pointer.rsplit_once('/').context("a pointer")?;
    object.pointer_mut(parent).context("the parent is there")?[last] = value;
    Ok(())
}

fn other_kinds(world: &World) -> Result<()> {
    same(world, "kinds", async |run| {
        let core = |plural: &str| format!("/api/v1/namespaces/{{ns}}/{plural}");
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}});
        run.post(&core("secrets"), &secret, 201).await?;
        run.patch(
            MERGE_PATCH,
            &core("secrets/s"),
            &json!({"type": "other"}),
            422,
        )
        .await?;
        let broken = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": {"k": "%%%"}});
        run.post(&core("secrets"), &broken, 400).await?;
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
        run.post(&core("serviceaccounts"), &account, 201).await?;
        let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"},
            "spec": {"podSelector": {}}});
        let policies = "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies";
        run.post(policies, &policy, 201).await?;
        run.patch(
            MERGE_PATCH,
            &format!("{policies}/p"),
            &json!({"spec": {"egress": [{}], "policyTypes": ["Ingress", "Egress"]}}),
            200,
        )
        .await?;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}});
        let leases = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
        run.post(leases, &lease, 201).await?;
        run.patch(
            MERGE_PATCH,
            &format!("{leases}/l"),
            &json!({"spec": {"leaseDurationSeconds": 0}}),
            422,
        )
        .await?;
        Ok(())
    })
}
