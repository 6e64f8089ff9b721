//! The server itself: what it is started with, and that it survives.

use anyhow::{Result, ensure};
use codex_e2e::kubernetes::ApiServer;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    ("server::it_is_upstream", it_is_upstream),
    (
        "server::it_comes_back_after_kill_9",
        it_comes_back_after_kill_9,
    ),
];

/// The version that is asked for, and the controllers that the tests lean on.
fn it_is_upstream(world: &World) -> Result<()> {
    let server = &world.server;
    let version: serde_json::Value =
        serde_json::from_str(&server.kubectl(&["version", "--output=json"])?)?;
    ensure!(
        version["serverVersion"]["major"] == "1" && version["serverVersion"]["gitVersion"] != "",
        "{version}"
    );
    if server.has_controllers() {
        server.kubectl(&["get", "--namespace=default", "serviceaccount/default"])?;
    }
    Ok(())
}

/// One of its own, because the others go on meanwhile.
fn it_comes_back_after_kill_9(world: &World) -> Result<()> {
    if world.server.is_somebody_elses() {
        // It is not ours to kill.
        return Ok(());
    }
    let server = ApiServer::start()?;
    server.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"])?;
    server.kill_9()?;
    ensure!(server.kubectl(&["get", "configmap"]).is_err());
    server.restart()?;
    let kept = server.kubectl(&["get", "configmap", "kept", "--output=jsonpath={.data.a}"])?;
    ensure!(kept == "b", "{kept}");
    // What was there before is what the controllers take care of after.
    if server.has_controllers() {
        server.kubectl(&["create", "namespace", "after"])?;
        server.kubectl(&["delete", "namespace", "after", "--timeout=90s"])?;
    }
    Ok(())
}
