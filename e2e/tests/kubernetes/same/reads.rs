//! Reading: lists and their pages, watches, tables, discovery.

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::{Value, json};

use super::{MAPS, MERGE_PATCH, map, same, version};
use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("same::reads::lists_and_pages", lists_and_pages),
    ("same::reads::watches", watches),
    ("same::reads::tables", tables),
    ("same::reads::discovery", discovery),
];

fn lists_and_pages(world: &World) -> Result<()> {
    same(world, "lists", async |run| {
        for number in 1..=5 {
            let mut one = map(&format!("m{number}"), json!({}));
            one["metadata"]["labels"] =
                json!({"odd": (number % 2 == 1).to_string(), format!("l{number}"): ""});
            run.post(MAPS, &one, 201).await?;
        }
        run.get(MAPS, 200).await?;
        let first = run.get(&format!("{MAPS}?limit=2"), 200).await?;
        // Comes too late for the list that goes on.
        run.post(MAPS, &map("m0", json!({})), 201).await?;
        let next = |list: &Value| -> Result<String> {
            let token = list["metadata"]["continue"]
                .as_str()
                .context("there is more")?;
            Ok(format!("{MAPS}?limit=2&continue={token}"))
        };
        let second = run.get(&next(&first)?, 200).await?;
        anyhow::ensure!(
            version(&first)? == version(&second)?,
            "one list has one version"
        );
        run.get(&next(&second)?, 200).await?;
        run.get(&format!("{MAPS}?limit=2&continue=nonsense"), 400)
            .await?;
        run.get(&format!("{MAPS}?limit=2&continue=bm9uc2Vuc2U"), 400)
            .await?;
        for selector in [
            "odd=true",
            "odd!=true",
            "odd in (true,false)",
            "!l1",
            "l2",
            "odd notin (true)",
        ] {
            let selector = selector
                .replace('=', "%3D")
                .replace(' ', "%20")
                .replace('!', "%21");
            run.get(&format!("{MAPS}?labelSelector={selector}"), 200)
                .await?;
        }
        run.get(&format!("{MAPS}?labelSelector=a%20in%20("), 400)
            .await?;
        run.get(&format!("{MAPS}?fieldSelector=metadata.name%3Dm3"), 200)
            .await?;
        run.get(&format!("{MAPS}?fieldSelector=data.x%3Dm3"), 400)
            .await?;
        run.get(&format!("{MAPS}?resourceVersion=word"), 400)
            .await?;
        run.get(&format!("{MAPS}?resourceVersionMatch=Exact"), 422)
            .await?;
        run.get(
            &format!("{MAPS}?resourceVersion=0&resourceVersionMatch=Exact"),
            422,
        )
        .await?;
        run.get(&format!("{MAPS}?limit=-1"), 200).await?;
        run.get("/api/v1/namespaces/codex-nowhere/configmaps", 200)
            .await?;
        Ok(())
    })
}

fn watches(world: &World) -> Result<()> {
    same(world, "watches", async |run| {
        let list = run.get(MAPS, 200).await?;
        let from = version(&list)?.to_owned();
        let mut one = map("a", json!({"n": "1"}));
        one["metadata"]["labels"] = json!({"in": "yes"});
        run.post(MAPS, &one, 201).await?;
        run.patch(
            MERGE_PATCH,
            &format!("{MAPS}/a"),
            &json!({"data": {"n": "2"}}),
            200,
        )
        .await?;
        run.patch(
            MERGE_PATCH,
            &format!("{MAPS}/a"),
            &json!({"metadata": {"labels": {"in": null}}}),
            200,
        )
        .await?;
        run.delete(&format!("{MAPS}/a"), &Value::Null, 200).await?;
        run.watch(&format!("{MAPS}?watch=1&resourceVersion={from}"), 4)
            .await?;
        // Leaving the selector is an end for who watches with it.
        run.watch(
            &format!("{MAPS}?watch=1&labelSelector=in%3Dyes&resourceVersion={from}"),
            3,
        )
        .await?;
        run.post(MAPS, &map("b", json!({})), 201).await?;
        run.watch(&format!("{MAPS}?watch=1&resourceVersion=0"), 1)
            .await?;
        run.watch(
            &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Db"),
            1,
        )
        .await?;
        run.get(&format!("{MAPS}?watch=1&timeoutSeconds=word"), 400)
            .await?;
        Ok(())
    })
}

fn tables(world: &World) -> Result<()> {
    same(world, "tables", async |run| {
        run.post(MAPS, &map("a", json!({"x": "1", "y": "2"})), 201)
            .await?;
        run.table(MAPS).await?;
        run.table(&format!("{MAPS}/a")).await?;
        run.table(&format!("{MAPS}?includeObject=None")).await?;
        run.table(&format!("{MAPS}?includeObject=Object")).await?;
        for kind in ["secrets", "events", "pods"] {
            run.table(&format!("/api/v1/namespaces/{{ns}}/{kind}"))
                .await?;
        }
        run.table("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases")
            .await?;
        run.table("/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies")
            .await?;
        run.table("/api/v1/namespaces/{ns}").await?;
        let metadata = [(
            "accept",
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        )];
        run.send(Method::GET, MAPS, &metadata, &Value::Null, 200)
            .await?;
        let metadata = [(
            "accept",
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        )];
        run.send(
            Method::GET,
            &format!("{MAPS}/a"),
            &metadata,
            &Value::Null,
            200,
        )
        .await?;
        Ok(())
    })
}

fn discovery(world: &World) -> Result<()> {
    same(world, "discovery", async |run| {
        run.get("/apis/codexrunner.io", 200).await?;
        run.get("/apis/codexrunner.io/v1alpha1", 200).await?;
        run.get("/apis/coordination.k8s.io/v1", 200).await?;
        run.get("/healthz", 200).await?;
        run.get("/readyz", 200).await?;
        Ok(())
    })
}
