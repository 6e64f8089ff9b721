//! Writing objects of Kubernetes itself, and every way to be refused.

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::{Value, json};

use super::{APPLY, JSON_PATCH, MAPS, MERGE_PATCH, STRATEGIC_PATCH, map, pod, same, version};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::writes::life", life),
    (
        "same::writes::what_cannot_be_created",
        what_cannot_be_created,
    ),
    ("same::writes::updates_and_conflicts", updates_and_conflicts),
    ("same::writes::patches", patches),
    ("same::writes::server_side_apply", server_side_apply),
    ("same::writes::deletion", deletion),
];

fn life(world: &World) -> Result<()> {
    same(world, "life", async |run| {
        run.get(&format!("{MAPS}/a"), 404).await?;
        let made = run.post(MAPS, &map("a", json!({"k": "v"})), 201).await?;
        run.post(MAPS, &map("a", json!({})), 409).await?;
        run.get(&format!("{MAPS}/a"), 200).await?;
        let mut changed = made.clone();
        changed["data"]["k"] = "w".into();
        run.put(&format!("{MAPS}/a"), &changed, 200).await?;
        run.delete(&format!("{MAPS}/a"), &Value::Null, 200).await?;
        run.delete(&format!("{MAPS}/a"), &Value::Null, 404).await?;
        run.post(
            &format!("{MAPS}?dryRun=All"),
            &map("b", json!({"k": "v"})),
            201,
        )
        .await?;
        run.get(&format!("{MAPS}/b"), 404).await?;
        run.post(&format!("{MAPS}?dryRun=Some"), &map("b", json!({})), 422)
            .await?;
        Ok(())
    })
}

fn what_cannot_be_created(world: &World) -> Result<()> {
    same(world, "refused", async |run| {
        run.post(MAPS, &map("Upper_Case", json!({})), 422).await?;
        run.post(MAPS, &map("", json!({})), 422).await?;
        run.post(MAPS, &map("a", json!({"bad key": "v"})), 422)
            .await?;
        run.post(MAPS, &map("a", json!({"k": 1})), 400).await?;
        let mut other = map("a", json!({}));
        other["metadata"]["namespace"] = "other".into();
        run.post(MAPS, &other, 400).await?;
        run.post(MAPS, &pod("a"), 400).await?;
        let mut typed = map("a", json!({}));
        typed["apiVersion"] = "v2".into();
        run.post(MAPS, &typed, 400).await?;
        let untyped = json!({"metadata": {"name": "untyped"}});
        run.post(MAPS, &untyped, 201).await?;
        let mut labelled = map("a", json!({}));
        labelled["metadata"]["labels"] = json!({"bad key": "v", "fine": "bad value!"});
        run.post(MAPS, &labelled, 422).await?;
        let mut unknown = map("a", json!({}));
        unknown["dada"] = json!({"k": "v"});
        unknown["metadata"]["lables"] = json!({});
        run.post(&format!("{MAPS}?fieldValidation=Strict"), &unknown, 400)
            .await?;
        run.post(&format!("{MAPS}?fieldValidation=Wrong"), &unknown, 422)
            .await?;
        run.post(&format!("{MAPS}?fieldValidation=Ignore"), &unknown, 201)
            .await?;
        let nowhere = "/api/v1/namespaces/codex-nowhere/configmaps";
        run.post(nowhere, &map("a", json!({})), 404).await?;
        run.post(
            "/api/v1/namespaces/{ns}/nothings",
            &map("a", json!({})),
            404,
        )
        .await?;
        run.send(Method::PUT, MAPS, &[], &map("a", json!({})), 405)
            .await?;
        let kind = [("content-type", "text/plain")];
        run.send(Method::POST, MAPS, &kind, &map("a", json!({})), 415)
            .await?;
        let accept = [("accept", "text/html")];
        run.send(Method::GET, MAPS, &accept, &Value::Null, 406)
            .await?;
        Ok(())
    })
}

fn updates_and_conflicts(world: &World) -> Result<()> {
    same(world, "updates", async |run| {
        let first = run.post(MAPS, &map("a", json!({"n": "1"})), 201).await?;
        let mut second = first.clone();
        second["data"]["n"] = "2".into();
        run.put(&format!("{MAPS}/a"), &second, 200).await?;
        // Somebody else was faster.
        run.put(&format!("{MAPS}/a"), &second, 409).await?;
        run.put(&format!("{MAPS}/a"), &map("a", json!({"n": "3"})), 200)
            .await?;
        run.put(&format!("{MAPS}/a"), &map("b", json!({})), 400)
            .await?;
        run.put(&format!("{MAPS}/none"), &map("none", json!({})), 404)
            .await?;
        let mut other = map("a", json!({}));
        other["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555".into();
        run.put(&format!("{MAPS}/a"), &other, 409).await?;
        let mut fixed = map("a", json!({"n": "3"}));
        fixed["immutable"] = true.into();
        run.put(&format!("{MAPS}/a"), &fixed, 200).await?;
        fixed["data"]["n"] = "4".into();
        run.put(&format!("{MAPS}/a"), &fixed, 422).await?;
        Ok(())
    })
}

fn patches(world: &World) -> Result<()> {
    same(world, "patches", async |run| {
        let one = format!("{MAPS}/a");
        run.post(MAPS, &map("a", json!({"a": "1", "b": "2"})), 201)
            .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"data": {"a": null, "c": "3"}}),
            200,
        )
        .await?;
        run.patch(STRATEGIC_PATCH, &one, &json!({"data": {"c": null}}), 200)
            .await?;
        let add = json!([{"op": "add", "path": "/data/d", "value": "4"}]);
        run.patch(JSON_PATCH, &one, &add, 200).await?;
        let test = json!([{"op": "test", "path": "/data/d", "value": "5"}]);
        run.patch(JSON_PATCH, &one, &test, 422).await?;
        let missing = json!([{"op": "remove", "path": "/data/none"}]);
        run.patch(JSON_PATCH, &one, &missing, 422).await?;
        run.patch(JSON_PATCH, &one, &json!({"op": "add"}), 400)
            .await?;
        run.patch(MERGE_PATCH, &one, &json!(["no object"]), 400)
            .await?;
        run.patch("application/x-patch", &one, &json!({}), 415)
            .await?;
        run.patch(MERGE_PATCH, &format!("{MAPS}/none"), &json!({}), 404)
            .await?;
        run.patch(
            MERGE_PATCH,
            &one,
            &json!({"metadata": {"resourceVersion": "1"}}),
            409,
        )
        .await?;
        run.patch(MERGE_PATCH, &one, &json!({"metadata": {"name": "b"}}), 400)
            .await?;
        run.patch(
            MERGE_PATCH,
            &format!("{one}?dryRun=All"),
            &json!({"data": {"z": "9"}}),
            200,
        )
        .await?;
        let before = run.get(&one, 200).await?;
        // Nothing changes, so nothing is written.
        let after = run
            .patch(MERGE_PATCH, &one, &json!({"data": {"d": "4"}}), 200)
            .await?;
        anyhow::ensure!(version(&before)? == version(&after)?, "{before} {after}");
        Ok(())
    })
}

fn server_side_apply(world: &World) -> Result<()> {
    same(world, "apply", async |run| {
        let one = format!("{MAPS}/a");
        let of = |manager: &str, more: &str| format!("{one}?fieldManager={manager}{more}");
        run.patch(APPLY, &one, &map("a", json!({})), 422).await?;
        run.patch(
            APPLY,
            &of("left", ""),
            &map("a", json!({"x": "1", "y": "1"})),
            201,
        )
        .await?;
        run.patch(APPLY, &of("left", ""), &map("a", json!({"x": "1"})), 200)
            .await?;
        run.patch(
            APPLY,
            &of("right", ""),
            &map("a", json!({"x": "1", "z": "1"})),
            200,
        )
        .await?;
        run.patch(APPLY, &of("right", ""), &map("a", json!({"x": "2"})), 409)
            .await?;
        run.patch(
            APPLY,
            &of("right", "&force=true"),
            &map("a", json!({"x": "2"})),
            200,
        )
        .await?;
        run.patch(APPLY, &of("left", "&dryRun=All"), &map("a", json!({})), 200)
            .await?;
        run.patch(APPLY, &of("left", ""), &map("b", json!({})), 400)
            .await?;
        let mut managed = map("a", json!({}));
        managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
        run.patch(APPLY, &of("left", ""), &managed, 400).await?;
        run.patch(MERGE_PATCH, &format!("{one}?force=true"), &json!({}), 422)
            .await?;
        // An update takes the field; the next apply conflicts with it.
        run.patch(
            MERGE_PATCH,
            &of("hand", ""),
            &json!({"data": {"x": "3"}}),
            200,
        )
        .await?;
        run.patch(APPLY, &of("right", ""), &map("a", json!({"x": "2"})), 409)
            .await?;
        run.get(&one, 200).await?;
        Ok(())
    })
}

fn deletion(world: &World) -> Result<()> {
    same(world, "deletion", async |run| {
        let one = format!("{MAPS}/a");
        let made = run.post(MAPS, &map("a", json!({})), 201).await?;
        let wrong = json!({"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}});
        run.delete(&one, &wrong, 409).await?;
        run.delete(
            &one,
            &json!({"preconditions": {"resourceVersion": "1"}}),
            409,
        )
        .await?;
        run.delete(&one, &json!({"propagationPolicy": "Sideways"}), 422)
            .await?;
        let both = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
        run.delete(&one, &both, 422).await?;
        run.delete(&one, &json!({"gracePeriodSeconds": -1}), 200)
            .await?;
        run.get(&one, 404).await?;

        let mut held = map("held", json!({}));
        held["metadata"]["finalizers"] = json!(["codexrunner.io/test"]);
        run.post(MAPS, &held, 201).await?;
        let held = format!("{MAPS}/held");
        run.delete(&held, &Value::Null, 200).await?;
        run.delete(&held, &Value::Null, 200).await?;
        let more =
            json!({"metadata": {"finalizers": ["codexrunner.io/test", "codexrunner.io/more"]}});
        run.patch(MERGE_PATCH, &held, &more, 422).await?;
        run.patch(
            MERGE_PATCH,
            &held,
            &json!({"metadata": {"finalizers": null}}),
            200,
        )
        .await?;
        run.get(&held, 404).await?;

        let bad = json!({"metadata": {"finalizers": ["unqualified"]}});
        run.post(MAPS, &map("c", json!({})), 201).await?;
        run.patch(MERGE_PATCH, &format!("{MAPS}/c"), &bad, 422)
            .await?;
        let mut labelled = map("d", json!({}));
        labelled["metadata"]["labels"] = json!({"of": "test"});
        run.post(MAPS, &labelled, 201).await?;
        run.delete(
            &format!("{MAPS}?labelSelector=of%3Dtest"),
            &Value::Null,
            200,
        )
        .await?;
        run.get(&format!("{MAPS}/d"), 404).await?;
        run.get(&format!("{MAPS}/c"), 200).await?;
        let uid = made["metadata"]["uid"].as_str().context("a uid")?;
        anyhow::ensure!(uid.len() == 36, "{uid}");
        Ok(())
    })
}
