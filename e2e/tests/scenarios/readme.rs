//! The front page keeps its word.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_e2e::Stack;
use codex_e2e::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("readme::curl_alone_logs_in_submits_and_watches", curl);
}

async fn curl(stack: Arc<Stack>) -> Result<()> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    let block = readme
        .split("<!-- tested by e2e/tests/scenarios/readme.rs -->\n```bash\n")
        .nth(1)
        .and_then(|rest| rest.split("\n```").next())
        .context("the README has the tested block")?;
    let (defaults, commands) = block
        .split_once('\n')
        .context("the first line names the place")?;
    ensure!(defaults.starts_with("URL="), "{defaults}");
    let output = tokio::task::spawn_blocking({
        let (url, email, password) = (stack.url(), stack.email(), stack.password_file());
        let commands = commands.to_owned();
        move || {
            Command::new("bash")
                .args(["-euo", "pipefail", "-c", &commands])
                .env("URL", url)
                .env("EMAIL", email)
                .env("PASSWORD_FILE", password)
                .output()
        }
    })
    .await??;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        text.contains("event: done\ndata: {\"exit_code\":0"),
        "{text}"
    );
    Ok(())
}
