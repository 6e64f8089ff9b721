//! The project's own kinds: schema, rules, columns, selectable fields.

use anyhow::Result;
use serde_json::{Value, json};

use super::{APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, same, version};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::tasks::definitions", definitions),
    (
        "same::tasks::defaults_and_unknown_fields",
        defaults_and_unknown_fields,
    ),
    (
        "same::tasks::what_the_schema_refuses",
        what_the_schema_refuses,
    ),
    ("same::tasks::what_the_rules_refuse", what_the_rules_refuse),
    ("same::tasks::selectable_fields", selectable_fields),
    ("same::tasks::columns", columns),
    ("same::tasks::patches", patches),
    ("same::tasks::deletion", deletion),
    ("same::tasks::repositories", repositories),
];

pub(super) const TASKS: &str = "/apis/codexrunner.io/v1alpha1/namespaces/{ns}/codextasks";
const REPOSITORIES: &str = "/apis/codexrunner.io/v1alpha1/namespaces/{ns}/codexrepositories";

pub(crate) fn task(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": {"name": name}, "spec": spec})
}

fn definitions(world: &World) -> Result<()> {
    same(world, "definitions", async |run| {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for plural in ["codextasks", "codexrepositories"] {
            let definition = run
                .get(&format!("{path}/{plural}.codexrunner.io"), 200)
                .await?;
            for kind in ["Established", "NamesAccepted"] {
                let conditions = definition["status"]["conditions"].as_array();
                let held = conditions
                    .into_iter()
                    .flatten()
                    .any(|one| one["type"] == kind && one["status"] == "True");
                anyhow::ensure!(held, "{kind} of {plural}: {}", definition["status"]);
            }
        }
        Ok(())
    })
}

fn defaults_and_unknown_fields(world: &World) -> Result<()> {
    same(world, "defaults", async |run| {
        let made = run
            .post(TASKS, &task("a", json!({"prompt": "p"})), 201)
            .await?;
        anyhow::ensure!(
            made["spec"]["cancel"] == false && made["metadata"]["generation"] == 1,
            "{made}"
        );
        let unknown = task("b", json!({"prompt": "p", "promt": "q"}));
        let made = run
            .post(&format!("{TASKS}?fieldValidation=Ignore"), &unknown, 201)
            .await?;
        anyhow::ensure!(made["spec"].get("promt").is_none(), "{made}");
        let unknown = task("c", json!({"prompt": "p", "promt": "q", "env": {"A": "b"}}));
        run.post(&format!("{TASKS}?fieldValidation=Strict"), &unknown, 400)
            .await?;
        let mut outside = task("c", json!({"prompt": "p"}));
        outside["extra"] = json!({"x": 1});
        run.post(&format!("{TASKS}?fieldValidation=Strict"), &outside, 400)
            .await?;
        run.post(&format!("{TASKS}?fieldValidation=Ignore"), &outside, 201)
            .await?;
        Ok(())
    })
}

fn what_the_schema_refuses(world: &World) -> Result<()> {
    same(world, "schema", async |run| {
        let specs = [
            json!({}),
            json!({"prompt": ""}),
            json!({"prompt": 1}),
            json!({"prompt": null}),
            json!({"prompt": "p", "model": "bad model"}),
            json!({"prompt": "p", "model": ""}),
            json!({"prompt": "p", "timeoutSeconds": 0}),
            json!({"prompt": "p", "timeoutSeconds": 86401}),
            json!({"prompt": "p", "timeoutSeconds": "60"}),
            json!({"prompt": "p", "env": {"A": 1}}),
            json!({"prompt": "p", "env": []}),
            json!({"prompt": "p", "cancel": "yes"}),
            json!({"prompt": "p", "ttlSecondsAfterFinished": -1}),
            json!({"prompt": "", "model": "bad model", "timeoutSeconds": 0, "resumeFrom": ""}),
            json!({"prompt": "p", "env": (0..65).map(|n| (format!("V{n}"), json!(""))).collect::<serde_json::Map<_, _>>()}),
            json!("no object"),
        ];
        for spec in specs {
            run.post(TASKS, &task("bad", spec), 422).await?;
        }
        run.post(TASKS, &json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": {"name": "bad"}}), 422)
            .await?;
        run.post(TASKS, &task("Bad_Name", json!({"prompt": "p"})), 422)
            .await?;
        run.post(TASKS, &json!({"apiVersion": "codexrunner.io/v1", "kind": "CodexTask", "metadata": {"name": "bad"}}), 400)
            .await?;
        run.post(TASKS, &json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "Other", "metadata": {"name": "bad"}}), 422)
            .await?;
        Ok(())
    })
}

fn what_the_rules_refuse(world: &World) -> Result<()> {
    same(world, "rules", async |run| {
        let one = format!("{TASKS}/a");
        run.post(
            TASKS,
            &task(
                "a",
                json!({"prompt": "p", "env": {"A": "1"}, "user": "ada"}),
            ),
            201,
        )
        .await?;
        for change in [
            json!({"prompt": "q"}),
            json!({"cwd": "/srv/repos/x"}),
            json!({"env": {"A": "2"}}),
            json!({"env": null}),
            json!({"user": null}),
            json!({"model": "m"}),
            json!({"timeoutSeconds": 5}),
            json!({"resumeFrom": "x"}),
            json!({"ttlSecondsAfterFinished": 5}),
        ] {
            run.patch(MERGE_PATCH, &one, &json!({"spec": change}), 422)
                .await?;
        }
        let changed = run
            .patch(MERGE_PATCH, &one, &json!({"spec": {"cancel": true}}), 200)
            .await?;
        anyhow::ensure!(changed["metadata"]["generation"] == 2, "{changed}");
        run.patch(MERGE_PATCH, &one, &json!({"spec": {"cancel": false}}), 422)
            .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"spec": {"cancel": false, "prompt": "q"}}),
            422,
        )
        .await?;
        let labelled = json!({"metadata": {"labels": {"a": "b"}}});
        let labelled = run.patch(MERGE_PATCH, &one, &labelled, 200).await?;
        anyhow::ensure!(labelled["metadata"]["generation"] == 2, "{labelled}");
        Ok(())
    })
}

fn selectable_fields(world: &World) -> Result<()> {
    same(world, "selectable", async |run| {
        for (name, user, phase) in [
            ("a", "ada", "running"),
            ("b", "ada", "queued"),
            ("c", "bob", "running"),
        ] {
            run.post(
                TASKS,
                &task(name, json!({"prompt": "p", "user": user})),
                201,
            )
            .await?;
            run.patch(
                MERGE_PATCH,
                &format!("{TASKS}/{name}/status"),
                &json!({"status": {"phase": phase}}),
                200,
            )
            .await?;
        }
        for (selector, wanted) in [
            ("status.phase%3Drunning", 2),
            ("status.phase%21%3Drunning", 1),
            ("spec.user%3Dada", 2),
            ("spec.user%3Dada,status.phase%3Drunning", 1),
            ("metadata.name%3Dc", 1),
        ] {
            let list = run
                .get(&format!("{TASKS}?fieldSelector={selector}"), 200)
                .await?;
            anyhow::ensure!(
                list["items"].as_array().map(Vec::len) == Some(wanted),
                "{selector}: {list}"
            );
        }
        run.get(&format!("{TASKS}?fieldSelector=spec.prompt%3Dp"), 400)
            .await?;
        run.get(&format!("{TASKS}?fieldSelector=status.phase"), 400)
            .await?;
        let list = run.get(TASKS, 200).await?;
        let from = version(&list)?.to_owned();
        run.patch(
            MERGE_PATCH,
            &format!("{TASKS}/a/status"),
            &json!({"status": {"phase": "completed"}}),
            200,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &format!("{TASKS}/b/status"),
            &json!({"status": {"phase": "running"}}),
            200,
        )
        .await?;
        run.watch(
            &format!("{TASKS}?watch=1&fieldSelector=status.phase%3Drunning&resourceVersion={from}"),
            2,
        )
        .await?;
        Ok(())
    })
}

fn columns(world: &World) -> Result<()> {
    same(world, "columns", async |run| {
        run.table(TASKS).await?;
        run.post(
            TASKS,
            &task("a", json!({"prompt": "p", "user": "ada"})),
            201,
        )
        .await?;
        run.table(TASKS).await?;
        let status = json!({"status": {"phase": "error", "exitCode": 3, "duration": "1m5s", "repository": "demo",
            "reason": "ExitCode", "podName": "codex-a", "queuePosition": 2}});
        run.patch(MERGE_PATCH, &format!("{TASKS}/a/status"), &status, 200)
            .await?;
        run.table(&format!("{TASKS}/a")).await?;
        run.table(&format!("{TASKS}?includeObject=None")).await?;
        run.table(REPOSITORIES).await?;
        Ok(())
    })
}

fn patches(world: &World) -> Result<()> {
    same(world, "task-patches", async |run| {
        let one = format!("{TASKS}/a");
        run.post(TASKS, &task("a", json!({"prompt": "p"})), 201)
            .await?;
        run.patch(
            STRATEGIC_PATCH,
            &one,
            &json!({"spec": {"cancel": true}}),
            415,
        )
        .await?;
        run.patch(
            JSON_PATCH,
            &one,
            &json!([{"op": "replace", "path": "/spec/cancel", "value": true}]),
            200,
        )
        .await?;
        run.patch(
            JSON_PATCH,
            &one,
            &json!([{"op": "test", "path": "/spec/cancel", "value": false}]),
            422,
        )
        .await?;
        run.patch(
            JSON_PATCH,
            &one,
            &json!([{"op": "remove", "path": "/spec/prompt"}]),
            422,
        )
        .await?;
        let apply = task("a", json!({"prompt": "p"}));
        run.patch(APPLY, &format!("{one}?fieldManager=hand"), &apply, 200)
            .await?;
        run.patch(
            APPLY,
            &format!("{one}?fieldManager=hand"),
            &task("a", json!({"prompt": "q"})),
            409,
        )
        .await?;
        run.patch(
            APPLY,
            &format!("{one}?fieldManager=hand&force=true"),
            &task("a", json!({"prompt": "q"})),
            422,
        )
        .await?;
        run.patch(
            APPLY,
            &format!("{TASKS}/new?fieldManager=hand"),
            &task("new", json!({"prompt": "q"})),
            201,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"apiVersion": "codexrunner.io/v2"}),
            422,
        )
        .await?;
        Ok(())
    })
}

fn deletion(world: &World) -> Result<()> {
    same(world, "task-deletion", async |run| {
        let mut held = task("a", json!({"prompt": "p"}));
        held["metadata"]["finalizers"] = json!(["codexrunner.io/test"]);
        run.post(TASKS, &held, 201).await?;
        let list = run.get(TASKS, 200).await?;
        let from = version(&list)?.to_owned();
        let one = format!("{TASKS}/a");
        run.delete(&one, &json!({"propagationPolicy": "Background"}), 200)
            .await?;
        let marked = run.get(&one, 200).await?;
        anyhow::ensure!(marked["metadata"]["generation"] == 2, "{marked}");
        run.patch(MERGE_PATCH, &one, &json!({"spec": {"cancel": true}}), 200)
            .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"metadata": {"finalizers": []}}),
            200,
        )
        .await?;
        run.get(&one, 404).await?;
        run.watch(&format!("{TASKS}?watch=1&resourceVersion={from}"), 3)
            .await?;
        for name in ["b", "c"] {
            run.post(TASKS, &task(name, json!({"prompt": "p"})), 201)
                .await?;
        }
        run.delete(TASKS, &Value::Null, 200).await?;
        run.get(TASKS, 200).await?;
        Ok(())
    })
}

fn repositories(world: &World) -> Result<()> {
    same(world, "repositories", async |run| {
        let repository = |name: &str, spec: Value| json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexRepository", "metadata": {"name": name}, "spec": spec});
        let claim = json!({"persistentVolumeClaim": {"claimName": "c"}});
        run.post(
            REPOSITORIES,
            &repository("a", json!({"path": "/srv/repos/a", "source": claim})),
            201,
        )
        .await?;
        for spec in [
            json!({"path": "/srv/repos/a", "source": {}}),
            json!({"path": "/srv/repos/a", "source": {"persistentVolumeClaim": {"claimName": "c"}, "hostPath": {"path": "/x"}}}),
            json!({"path": "/etc/passwd-x", "source": claim}),
            json!({"path": "/srv/repos/../x", "source": claim}),
            json!({"source": claim}),
            json!({"path": "/srv/repos/a", "source": claim, "mcpServers": {"x": {}}}),
            json!({"path": "/srv/repos/a", "source": claim, "resources": {"cpu": 2}}),
        ] {
            run.post(REPOSITORIES, &repository("bad", spec), 422)
                .await?;
        }
        run.patch(
            MERGE_PATCH,
            &format!("{REPOSITORIES}/a"),
            &json!({"spec": {"model": "m"}}),
            200,
        )
        .await?;
        run.get(&format!("{REPOSITORIES}/a/status"), 404).await?;
        Ok(())
    })
}
