//! Whether the gateway does what its OpenAPI document says: Schemathesis makes requests from the document, right ones and wrong ones, and holds
//! the answers to it. `tests/schemathesis/schemathesis.toml` is its configuration.
//!
//! Whoever asks must not lose the right to: `hooks.py` keeps an administrator from changing its own user, the access tokens outlive the test, and
//! passwords and refresh tokens that are made up end nobody's session.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use codex_gateway::limits::Rate;
use kube::api::ListParams;
use serde_json::json;
use tokio::process::Command;

use crate::support::client::Client;
use crate::support::until;
use crate::support::world::World;

/// What `scripts/install-test-tools` makes.
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/schemathesis/bin/schemathesis"
);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis");
/// For how many seconds it goes on, instead of the number of requests in its configuration.
const SECONDS: &str = "CODEX_SCHEMATHESIS_SECONDS";
/// Which requests it makes, instead of those of the seed in its configuration.
const SEED: &str = "CODEX_SCHEMATHESIS_SEED";
/// How long a run of the configuration may take, beyond the seconds that it is given; half a minute is usual, on two cores that have
/// something else to do. It is ended then, and the test fails: nothing waits for ever.
const PATIENCE: Duration = Duration::from_secs(240);
/// Longer than any run.
const TOKENS: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the test looks for tasks that it has to end.
const LOOK: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_an_administrator_are_those_of_the_document() {
    let world = world().await;
    let admin = world.admin().await;
    record(&world, &admin).await;
    try_all(&world, &[("admin", &admin)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_users_are_those_of_the_document_and_not_about_each_other() {
    let world = world().await;
    let (one, other) = (world.user("one").await, world.user("other").await);
    record(&world, &one).await;
    record(&world, &other).await;
    try_all(&world, &[("one", &one), ("other", &other)]).await;
}

/// A gateway that answers as often as it is asked.
async fn world() -> World {
    assert!(
        Path::new(PROGRAM).exists(),
        "this test needs Schemathesis: run scripts/install-test-tools"
    );
    let world = World::start_with(|setup| {
        let rates = &mut setup.settings.rates;
        rates.reads = Rate::UNLIMITED;
        rates.writes = Rate::UNLIMITED;
        rates.admin_reads = Rate::UNLIMITED;
        rates.admin_writes = Rate::UNLIMITED;
        setup.settings.tasks_per_user = 0;
        setup.token_lifetime = TOKENS;
    })
    .await;
    let stranger = world.stranger();
    until("the gateway to be ready", async || {
        (stranger.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    world
}

/// Something to find: a finished task, and a token.
async fn record(world: &World, client: &Client) {
    let id = world.submitted(client).await;
    world.write_lines(&id, 1..=3).await;
    world.finish(&id, 3).await;
    client.task_in(&id, "completed").await;
    let token = json!({ "name": "of the test", "scopes": ["tasks:read"] });
    let made = client.post("/api/tokens", &token).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

/// Lets Schemathesis ask, each time as one of these, and fails with what it finds.
async fn try_all(world: &World, who: &[(&str, &Client)]) {
    let folder = tempfile::tempdir().unwrap();
    let me = who[0].1.get("/api/me").await.body;
    let own = me["id"].as_str().unwrap();
    let config = configure(folder.path(), who);
    let mut command = Command::new(PROGRAM);
    command.arg("--config-file").arg(config).arg("run");
    if let Ok(seconds) = std::env::var(SECONDS) {
        command.args(["--max-time", &seconds]);
    }
    if let Ok(seed) = std::env::var(SEED) {
        command.args(["--seed", &seed]);
    }
    command
        .arg("--no-color")
        .arg(format!("{}/api/openapi.json", world.gateway().url))
        .current_dir(folder.path())
        .env("CODEX_SCHEMATHESIS_SELF", own)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let seconds = std::env::var(SECONDS)
        .ok()
        .and_then(|text| text.parse().ok());
    let patience = PATIENCE + 2 * Duration::from_secs(seconds.unwrap_or(0));
    let output: Output = tokio::select! {
        output = tokio::time::timeout(patience, command.output()) => {
            output.expect("Schemathesis ends in time").unwrap()
        }
        () = end_tasks(world) => unreachable!("it goes on for ever"),
    };
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{report}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    // Who could not sign in would see refusals alone, and those are in the document.
    for (name, client) in who {
        assert_eq!(client.get("/api/me").await.status, 200, "{name} is out");
    }
}

/// The configuration with the tokens, which are different each time.
fn configure(folder: &Path, who: &[(&str, &Client)]) -> PathBuf {
    let entry = |(name, client): &(&str, &Client)| {
        let token = client.token.as_deref().unwrap();
        json!({ "name": name, "fixedHeaders": [{ "name": "Authorization", "value": format!("Bearer {token}") }] })
    };
    let auth = json!({ "auth": who.iter().map(entry).collect::<Vec<_>>() });
    std::fs::write(folder.join("auth.json"), auth.to_string()).unwrap();
    let common = std::fs::read_to_string(format!("{FOLDER}/schemathesis.toml")).unwrap();
    let names: Vec<&str> = who.iter().map(|(name, _)| *name).collect();
    let peers = match names.len() {
        1 => String::new(),
        // Neither may see what is the other's.
        _ => format!("peers = {names:?}\n"),
    };
    let config = folder.join("schemathesis.toml");
    let auth = format!(
        "\n[auth.wfc]\npath = \"auth.json\"\nuser = {:?}\n{peers}",
        names[0]
    );
    let hooks = format!("hooks = {:?}\n", format!("{FOLDER}/hooks.py"));
    std::fs::write(&config, hooks + &common + &auth).unwrap();
    config
}

/// Ends whatever is submitted, as an operator whose tasks take no time.
async fn end_tasks(world: &World) {
    let mut ended = HashSet::new();
    loop {
        let tasks = world.tasks().list(&ListParams::default()).await.unwrap();
        for task in tasks {
            let name = task.metadata.name.unwrap();
            let phase = task.status.and_then(|status| status.phase);
            if phase.is_none_or(|phase| !phase.is_final()) && ended.insert(name.clone()) {
                world.finish(&name, 0).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
