//! What people see: the same kubectl on both, and what it prints.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{MERGE_PATCH, same, tasks::task};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::kubectl::reads", reads),
    ("same::kubectl::writes", writes),
    ("same::kubectl::is_refused", is_refused),
    ("same::kubectl::explains", explains),
    ("same::kubectl::knows_the_kinds", knows_the_kinds),
];

const TASKS: &str = "/apis/codexrunner.io/v1alpha1/namespaces/{ns}/codextasks";

fn reads(world: &World) -> Result<()> {
    same(world, "reads", async |run| {
        run.kubectl(&["get", "codextasks"], "", true)?;
        for (name, user) in [("a", "ada"), ("b", "bob")] {
            run.post(TASKS, &task(name, json!({"prompt": "p", "user": user, "cwd": "/srv/repos/demo", "env": {"CI": "1"}})), 201).await?;
        }
        let status = json!({"status": {"phase": "completed", "exitCode": 0, "duration": "1m5s", "repository": "demo",
            "podName": "codex-a", "startedAt": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Archived", "status": "True", "reason": "Stored", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        run.patch(MERGE_PATCH, &format!("{TASKS}/a/status"), &status, 200)
            .await?;
        for arguments in [
            &["get", "codextasks"][..],
            &["get", "ctask", "--output=wide"],
            &["get", "ctask", "a", "--output=yaml"],
            &["get", "ctask", "a", "--output=json"],
            &["get", "ctask", "--output=name"],
            &["get", "ctask", "--no-headers", "--show-labels"],
            &[
                "get",
                "ctask",
                "--output=custom-columns=N:.metadata.name,U:.spec.user",
            ],
            &["get", "ctask", "--output=jsonpath={.items[*].spec.user}"],
            &["get", "ctask", "--sort-by=.spec.user"],
            &["get", "ctask", "--selector=none=here"],
            &["get", "ctask", "--field-selector=spec.user=bob"],
            &["get", "codex"],
            &["get", "ctask,crepo"],
            &[
                "get",
                "codextasks.v1alpha1.codexrunner.io",
                "a",
                "--show-managed-fields",
                "--output=yaml",
            ],
            &["get", "ctask", "a", "--subresource=status"],
            &["describe", "ctask", "a"],
            &[
                "get",
                "customresourcedefinition",
                "codextasks.codexrunner.io",
            ],
            &[
                "wait",
                "ctask/a",
                "--for=condition=Archived",
                "--timeout=60s",
            ],
            &[
                "wait",
                "ctask/a",
                "--for=jsonpath={.status.phase}=completed",
                "--timeout=60s",
            ],
        ] {
            run.kubectl(arguments, "", true)?;
        }
        run.kubectl(&["get", "ctask", "none"], "", false)?;
        run.kubectl(&["get", "nothings"], "", false)?;
        run.kubectl(
            &["get", "ctask", "--field-selector=spec.prompt=p"],
            "",
            false,
        )?;
        Ok(())
    })
}

fn writes(world: &World) -> Result<()> {
    same(world, "writes", async |run| {
        let file = task("a", json!({"prompt": "p"})).to_string();
        let cancelled = task("a", json!({"prompt": "p", "cancel": true})).to_string();
        let input = "--filename=-";
        run.kubectl(&["apply", input, "--dry-run=client"], &file, true)?;
        run.kubectl(&["apply", input, "--dry-run=server"], &file, true)?;
        run.kubectl(&["apply", input], &file, true)?;
        run.kubectl(&["apply", input], &file, true)?;
        run.kubectl(&["diff", input], &file, true)?;
        run.kubectl(&["apply", input, "--dry-run=server"], &cancelled, true)?;
        run.kubectl(&["apply", input], &cancelled, true)?;
        run.kubectl(
            &[
                "get",
                "ctask",
                "a",
                "--output=yaml",
                "--show-managed-fields",
            ],
            "",
            true,
        )?;
        run.kubectl(&["apply", "--server-side", input], &cancelled, true)?;
        run.kubectl(
            &["apply", "--server-side", "--force-conflicts", input],
            &cancelled,
            true,
        )?;
        run.kubectl(&["label", "ctask", "a", "x=y"], "", true)?;
        run.kubectl(&["annotate", "ctask", "a", "x=y"], "", true)?;
        run.kubectl(
            &[
                "patch",
                "ctask",
                "a",
                "--type=merge",
                "--subresource=status",
                "--patch={\"status\":{\"phase\":\"running\"}}",
            ],
            "",
            true,
        )?;
        run.kubectl(
            &[
                "patch",
                "ctask",
                "a",
                "--type=json",
                "--patch=[{\"op\":\"remove\",\"path\":\"/metadata/labels/x\"}]",
            ],
            "",
            true,
        )?;
        run.kubectl(&["replace", input], &cancelled, true)?;
        run.kubectl(&["delete", "ctask", "a"], "", true)?;
        run.kubectl(&["delete", "ctask", "a"], "", false)?;
        run.kubectl(&["delete", "ctask", "a", "--ignore-not-found"], "", true)?;
        run.kubectl(&["create", input], &file, true)?;
        run.kubectl(&["create", input], &file, false)?;
        run.kubectl(&["delete", input, "--wait=false"], &file, true)?;
        run.kubectl(
            &["create", "configmap", "m", "--from-literal=a=b"],
            "",
            true,
        )?;
        run.kubectl(
            &["create", "secret", "generic", "s", "--from-literal=a=b"],
            "",
            true,
        )?;
        run.kubectl(&["describe", "configmap/m", "secret/s"], "", true)?;
        run.kubectl(
            &[
                "delete",
                "configmap,secret",
                "--all",
                "--cascade=foreground",
            ],
            "",
            true,
        )?;
        Ok(())
    })
}

fn is_refused(world: &World) -> Result<()> {
    same(world, "no", async |run| {
        let input = "--filename=-";
        let mut good = task("a", json!({"prompt": "p"}));
        run.kubectl(&["create", input], &good.to_string(), true)?;
        for spec in [
            json!({"prompt": ""}),
            json!({"prompt": "p", "promt": "q"}),
            json!({"prompt": "p", "timeoutSeconds": "soon", "model": "bad model"}),
            json!({}),
        ] {
            let bad = task("bad", spec).to_string();
            run.kubectl(&["create", input], &bad, false)?;
            run.kubectl(&["apply", input], &bad, false)?;
            run.kubectl(&["apply", "--server-side", input], &bad, false)?;
        }
        let unknown = task("warned", json!({"prompt": "p", "promt": "q"})).to_string();
        run.kubectl(&["apply", "--validate=warn", input], &unknown, true)?;
        good["spec"]["prompt"] = "other".into();
        run.kubectl(&["replace", input], &good.to_string(), false)?;
        run.kubectl(
            &[
                "patch",
                "ctask",
                "a",
                "--patch={\"spec\":{\"cancel\":true}}",
            ],
            "",
            false,
        )?;
        run.kubectl(
            &[
                "patch",
                "ctask",
                "a",
                "--type=merge",
                "--patch={\"spec\":{\"prompt\":\"x\"}}",
            ],
            "",
            false,
        )?;
        run.kubectl(&["scale", "ctask/a", "--replicas=2"], "", false)?;
        run.kubectl(&["logs", "none"], "", false)?;
        Ok(())
    })
}

fn explains(world: &World) -> Result<()> {
    same(world, "explains", async |run| {
        for path in [
            "codextask",
            "codextask.spec",
            "codextask.spec.prompt",
            "codextask.status.conditions",
            "codexrepository.spec.source",
            "configmap.data",
            "pod.spec.containers.securityContext.capabilities",
        ] {
            let said = run.kubectl(&["explain", path], "", true)?;
            ensure!(said.contains("DESCRIPTION"), "{said}");
        }
        run.kubectl(&["explain", "codextask.spec", "--recursive"], "", true)?;
        run.kubectl(&["explain", "codextask.spec.none"], "", false)?;
        Ok(())
    })
}

fn knows_the_kinds(world: &World) -> Result<()> {
    same(world, "kinds", async |run| {
        run.kubectl(
            &[
                "api-resources",
                "--api-group=codexrunner.io",
                "--output=wide",
            ],
            "",
            true,
        )?;
        run.kubectl(&["api-resources", "--categories=codex"], "", true)?;
        run.kubectl(&["auth", "can-i", "create", "codextasks"], "", true)?;
        run.kubectl(
            &["create", "--raw=/api/v1/namespaces", "--filename=-"],
            "{}",
            false,
        )?;
        Ok(())
    })
}
