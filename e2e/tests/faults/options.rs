//! `codex-remote up` with a Redis and an archive of somebody else's.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Record, Stack, Stores};

pub(crate) fn add(suite: &mut Suite, stores: &Arc<Stores>) {
    let these = Arc::clone(stores);
    suite.add(
        "options::logs_go_where_they_are_told_and_keys_stay_in_files",
        |stack| async move { outside(&stack, &these).await },
    );
}

async fn outside(stack: &Stack, stores: &Stores) -> Result<()> {
    let task = stack
        .admin()
        .await?
        .prompt(stack.cwd(), "[demo:say hello]")
        .await?;
    task.wait_for("completed").await?;
    Record::read(&stores.s3.objects(), &task.id).await?;
    let here = stack.data().join("archive");
    ensure!(
        std::fs::read_dir(&here)?.next().is_none(),
        "{} stays empty",
        here.display()
    );
    let environment = stores.s3.environment();
    let (_, secret) = environment
        .iter()
        .find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY")
        .context("the server has a key")?;
    for part in ["operator", "gateway", stack.node(), "pod-proxy"] {
        for file in ["environ", "cmdline"] {
            let text = std::fs::read(format!("/proc/{}/{file}", stack.pid(part)?))?;
            ensure!(
                !String::from_utf8_lossy(&text).contains(secret.as_str()),
                "the key is in the {file} of the {part}"
            );
        }
    }
    // The region is in the address of the bucket.
    let log = std::fs::read_to_string(stack.data().join("logs/operator.log"))?;
    ensure!(!log.contains("IMDS"), "the metadata service was asked");
    Ok(())
}
