//! The admission policies of the chart, as the API server itself decides by them.

use anyhow::{Context as _, Result, ensure};
use codex_e2e::until;
use http::Method;
use serde_json::{Value, json};

use crate::Case;
use crate::chart::{CHART, STORES, helm};
use crate::same::tasks::task;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[(
    "policies::decide_as_the_allow_list_does",
    decide_as_the_allow_list_does,
)];

/// The cases that the allow-list of gateway and operator is held against, too.
const TABLE: &str = include_str!("../../../crds/tests/admission.json");

/// Nobody is the gateway here, so all tasks are looked at. The policy reads the list that the operator would have written.
fn decide_as_the_allow_list_does(world: &World) -> Result<()> {
    let (system, tasks) = (world.fresh_name("system"), world.fresh_name("policy"));
    let rendered = helm(
        &world.server,
        &[
            "template",
            "codex",
            CHART,
            &format!("--namespace={system}"),
            &format!("--set=tasks.namespace.name={tasks}"),
            "--show-only=templates/tasks/admission.yaml",
        ],
        STORES,
    )?;
    let policy = format!("{system}-codex-tasks");
    let documents: Vec<&str> = rendered
        .split("\n---\n")
        .filter(|document| document.contains(&policy))
        .collect();
    ensure!(documents.len() == 2, "a policy and its binding: {rendered}");
    world.block_on(world.real.create_namespace(&tasks, json!({})))?;
    apply(world, &documents.join("\n---\n"))?;

    let table: Value = serde_json::from_str(TABLE)?;
    let path = format!("/apis/codexrunner.io/v1alpha1/namespaces/{tasks}/codextasks?dryRun=All");
    for set in table["sets"].as_array().context("sets")? {
        let mut list = set["parameters"].clone();
        list["refusedNames"] = table["refusedNames"].clone();
        list["refusedPrefixes"] = table["refusedPrefixes"].clone();
        let list = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "codex-allow-list", "namespace": tasks}, "data": list});
        apply(world, &list.to_string())?;
        for case in set["cases"].as_array().context("cases")? {
            let body = task("a", written_out(&case["spec"])).to_string();
            let allowed = case["allowed"] == true;
            // The server hears of policies and of their lists a moment after they are written.
            let decided = until("the decision", || async {
                let answer = world
                    .real
                    .send(Method::POST, &path, &[], body.clone())
                    .await?;
                let is_decided = match answer.code {
                    201 => allowed,
                    403 | 422 => !allowed,
                    code => anyhow::bail!("{code}: {}", answer.text),
                };
                Ok(is_decided.then_some(()))
            });
            world
                .block_on(decided)
                .with_context(|| format!("{}: {case}", set["name"]))?;
        }
    }
    world
        .real
        .kubectl(&["delete", "validatingadmissionpolicybinding", &policy])?;
    world
        .real
        .kubectl(&["delete", "validatingadmissionpolicy", &policy])?;
    Ok(())
}

fn apply(world: &World, documents: &str) -> Result<()> {
    let output = world
        .real
        .kubectl_output(&["apply", "--filename=-"], documents)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Texts that are too long for a table: `{"prefix": "/", "repeat": "x", "times": 5000}`.
fn written_out(value: &Value) -> Value {
    match value {
        Value::Object(long) if long.contains_key("repeat") => {
            let text = |name: &str| long.get(name).and_then(Value::as_str).unwrap_or_default();
            let times = long.get("times").and_then(Value::as_u64).unwrap_or(0);
            let repeated = text("repeat").repeat(usize::try_from(times).unwrap_or(0));
            Value::from(text("prefix").to_owned() + &repeated)
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), written_out(value)))
            .collect(),
        other => other.clone(),
    }
}
