//! The status of the project's own kinds: who may write it, and how.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::tasks::{TASKS, task};
use super::{APPLY, MERGE_PATCH, same, version};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::status::has_its_own_door", has_its_own_door),
    ("same::status::is_applied", is_applied),
];

fn has_its_own_door(world: &World) -> Result<()> {
    same(world, "status", async |run| {
        let one = format!("{TASKS}/a");
        let mut with_status = task("a", json!({"prompt": "p"}));
        with_status["status"] = json!({"phase": "running"});
        let made = run.post(TASKS, &with_status, 201).await?;
        anyhow::ensure!(made.get("status").is_none(), "{made}");
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"status": {"phase": "running"}}),
            200,
        )
        .await?;
        let both = json!({"spec": {"cancel": true}, "metadata": {"labels": {"x": "y"}}, "status": {"phase": "running"}});
        let seen = run
            .patch(MERGE_PATCH, &format!("{one}/status"), &both, 200)
            .await?;
        anyhow::ensure!(
            seen["spec"]["cancel"] == false && seen["status"]["phase"] == "running",
            "{seen}"
        );
        anyhow::ensure!(seen["metadata"]["generation"] == 1, "{seen}");
        run.patch(
            MERGE_PATCH,
            &format!("{one}/status"),
            &json!({"status": {"phase": "asleep"}}),
            422,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &format!("{one}/status"),
            &json!({"status": {"exitCode": "one"}}),
            422,
        )
        .await?;
        run.get(&format!("{one}/status"), 200).await?;
        run.get(&format!("{one}/scale"), 404).await?;
        run.send(
            Method::DELETE,
            &format!("{one}/status"),
            &[],
            &Value::Null,
            405,
        )
        .await?;
        let mut put = seen.clone();
        put["status"]["phase"] = "completed".into();
        put["spec"]["prompt"] = "other".into();
        run.put(&format!("{one}/status"), &put, 200).await?;
        run.put(&format!("{one}/status"), &put, 409).await?;
        Ok(())
    })
}

fn is_applied(world: &World) -> Result<()> {
    same(world, "applied", async |run| {
        let one = format!("{TASKS}/a/status?fieldManager=");
        run.post(TASKS, &task("a", json!({"prompt": "p"})), 201)
            .await?;
        let status = |more: Value| {
            let mut object = json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": {"name": "a"}});
            object["status"] = more;
            object
        };
        let condition = |kind: &str, value: &str| json!({"type": kind, "status": value, "reason": "Tested", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let first = status(
            json!({"phase": "running", "conditions": [condition("Admitted", "True"), condition("Archived", "False")]}),
        );
        run.patch(APPLY, &format!("{one}operator"), &first, 200)
            .await?;
        run.patch(
            APPLY,
            &format!("{one}other"),
            &status(json!({"conditions": [condition("Extra", "True")]})),
            200,
        )
        .await?;
        run.patch(
            APPLY,
            &format!("{one}other"),
            &status(json!({"phase": "queued"})),
            409,
        )
        .await?;
        run.patch(
            APPLY,
            &format!("{one}other"),
            &status(json!({"conditions": [condition("Archived", "True")]})),
            409,
        )
        .await?;
        // What it no longer says is removed, what others say stays.
        let fewer = status(
            json!({"phase": "completed", "exitCode": 0, "conditions": [condition("Archived", "True")]}),
        );
        run.patch(APPLY, &format!("{one}operator"), &fewer, 200)
            .await?;
        let twice = status(
            json!({"conditions": [condition("Archived", "True"), condition("Archived", "False")]}),
        );
        run.patch(APPLY, &format!("{one}operator"), &twice, 500)
            .await?;
        let before = run.get(&format!("{TASKS}/a"), 200).await?;
        let after = run
            .patch(APPLY, &format!("{one}operator"), &fewer, 200)
            .await?;
        anyhow::ensure!(
            version(&before)? == version(&after)?,
            "an apply that changes nothing was written"
        );
        let missing = json!({"apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask", "metadata": {"name": "none"}, "status": {}});
        run.patch(
            APPLY,
            &format!("{TASKS}/none/status?fieldManager=operator"),
            &missing,
            404,
        )
        .await?;
        let strange = status(json!({"phase": "completed", "fase": "x"}));
        run.patch(APPLY, &format!("{one}operator"), &strange, 500)
            .await?;
        Ok(())
    })
}
