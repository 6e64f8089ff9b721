//! The Kubernetes API goes away while tasks are submitted, in each way in which it can: each task that was accepted runs once afterwards,
//! and nothing else was made.
//!
//! It is away for a few seconds, or for as long as `CODEX_TEST_AWAY_SECONDS` says.

mod books;
mod clients;
mod killed;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Link, Passage, Stack, StackOptions, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::clients::Clients;

/// How many tasks each client submits.
const TASKS: u32 = 12;

fn main() -> Result<ExitCode> {
    let at_once = killed::TASKS.to_string();
    let mut suite = Suite::start(StackOptions {
        fake_codex: true,
        arguments: [
            "--max-running",
            &at_once,
            "--max-running-per-user",
            &at_once,
        ]
        .map(str::to_owned)
        .to_vec(),
        ..StackOptions::default()
    })?;
    suite.add("kubernetes_away::frozen", frozen);
    suite.add(
        "kubernetes_away::killed_while_tasks_run",
        killed::while_tasks_run,
    );
    // The last, because gateway and operator are left on links that end with it.
    suite.add("kubernetes_away::cut_off", cut_off);
    // One after the other: each scenario pulls the floor from under the rest.
    suite.one_by_one();
    Ok(suite.run())
}

/// How long the API is away.
fn away() -> Result<Duration> {
    let seconds = std::env::var("CODEX_TEST_AWAY_SECONDS").map_or(Ok(8), |text| text.parse())?;
    Ok(Duration::from_secs(seconds))
}

/// The API server stops in the middle of what it does: connections stay, and nobody answers. Who submits does not notice.
async fn frozen(stack: Arc<Stack>) -> Result<()> {
    let away = away()?;
    let server = Pid::from_raw(stack.api_server()?);
    let clients = Clients::start(&stack, "frozen", TASKS, away).await?;
    kill(server, Signal::SIGSTOP)?;
    tokio::time::sleep(away).await;
    kill(server, Signal::SIGCONT)?;
    let books = clients.finish().await?;
    ensure!(
        books.refused.is_empty() && books.unknown.is_empty(),
        "{books:#?}"
    );
    books::compare(&stack, "frozen", &books).await
}

/// Gateway and operator reach the API server no more. At first only its answers get lost, so that nobody knows what was done; and near
/// the end the gateway dies too, and the new one has never seen the allow-list.
async fn cut_off(stack: Arc<Stack>) -> Result<()> {
    let away = away()?;
    let gateway = lead_over_a_link(&stack, "gateway").await?;
    let operator = lead_over_a_link(&stack, "operator").await?;
    let set = |passage| {
        gateway.set(passage);
        operator.set(passage);
    };
    // The process is back before it listens.
    let api = until("the gateway to listen", || async {
        Ok(stack.admin().await.ok())
    })
    .await?;
    // So that the first gateway knows the allow-list.
    until("the gateway to know the allow-list", || async {
        let (status, _) = api.send(reqwest::Method::GET, "/readyz", None).await?;
        Ok(status.is_success().then_some(()))
    })
    .await?;

    let clients = Clients::start(&stack, "cut-off", TASKS, away).await?;
    set(Passage::NoAnswers);
    tokio::time::sleep(away / 4).await;
    set(Passage::Closed);
    tokio::time::sleep(away / 4).await;
    let resources = books::count_resources(&stack)?;
    let attempts = gateway.connections();
    tokio::time::sleep(away / 4).await;
    let attempts = gateway.connections() - attempts;
    stack.kill_9_and_await("gateway").await?;
    tokio::time::sleep(away / 4).await;
    ensure!(
        books::count_resources(&stack)? == resources,
        "nothing gets through"
    );
    set(Passage::Open);

    let books = clients.finish().await?;
    println!(
        "{} accepted, {} refused, {} unknown; {attempts} attempts to connect in {:?}",
        books.accepted.len(),
        books.refused.len(),
        books.unknown.len(),
        away / 4
    );
    // Two watches and one who asks for all the tasks that wait, each less and less often.
    let most = 3 * (away.as_secs() / 4 + 2);
    ensure!(
        attempts <= most,
        "{attempts} attempts to connect are more than {most}"
    );
    books::compare(&stack, "cut-off", &books).await
}

/// Lets a part reach the API server over a link from now on.
async fn lead_over_a_link(stack: &Stack, part: &str) -> Result<Link> {
    let path = stack
        .data()
        .join(format!("cluster/kubeconfigs/{part}.yaml"));
    let mut kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let server = &mut kubeconfig["clusters"][0]["cluster"]["server"];
    let address = server
        .as_str()
        .and_then(|url| url.strip_prefix("https://"))
        .context("the API server is at an https address")?;
    let link = Link::start(address.parse::<SocketAddr>()?).await?;
    *server = format!("https://{}", link.address()).into();
    std::fs::write(&path, kubeconfig.to_string())?;
    stack.kill_9_and_await(part).await?;
    Ok(link)
}
