//! API server and node as one process. Bubblewrap is found by `CODEX_BWRAP`, the path or the npm package.

use http::Method;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::server::Server;
use crate::support::{PODS, eventually, get, pod, post, send};

#[tokio::test]
async fn pods_outlive_kill_9_and_end_with_the_cluster_when_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let settings = |stop: bool| {
        json!({
            "images": {"codex-runner:local": {}},
            "stop_pods_on_exit": stop,
        })
    };
    let mut server = Server::start(dir.path(), &settings(false)).await;
    let client = server.client().await;
    let mut object = pod("p");
    object["spec"]["terminationGracePeriodSeconds"] = json!(1);
    object["spec"]["restartPolicy"] = json!("Never");
    // Found by its arguments, because a Pod may have process numbers of its own.
    let marker = dir.path().display().to_string();
    let script = "echo first; while :; do echo tick; sleep 0.1; done";
    object["spec"]["containers"][0]["command"] = json!(["/bin/sh", "-c", script, marker]);
    assert_eq!(post(&client, PODS, &object).await.0, 201);
    let logs = async || {
        let (_, log) = send(&client, Method::GET, &format!("{PODS}/p/log"), &[], "").await;
        String::from_utf8(log).unwrap()
    };
    eventually("the Pod writes", async || {
        logs().await.starts_with("first").then_some(())
    })
    .await;
    let before = processes(script, &marker);
    assert_eq!(before.len(), 1);
    server.signal(Signal::SIGKILL);
    assert!(!server.ended().await);
    assert_eq!(
        processes(script, &marker),
        before,
        "the Pod goes on without the cluster"
    );
    let mut server = Server::start(dir.path(), &settings(true)).await;
    let lines = logs().await.lines().count();
    eventually("the log goes on", async || {
        (logs().await.lines().count() > lines).then_some(())
    })
    .await;
    let (_, found) = get(&client, &format!("{PODS}/p")).await;
    let status = &found["status"]["containerStatuses"][0];
    assert_eq!(
        (&status["restartCount"], &found["status"]["phase"]),
        (&json!(0), &json!("Running"))
    );
    assert_eq!(processes(script, &marker), before, "it is the same process");
    server.signal(Signal::SIGTERM);
    assert!(server.ended().await);
    assert_eq!(
        processes(script, &marker),
        [0; 0],
        "stop_pods_on_exit ends it"
    );
}

/// The processes of the host that run this script for this test. What the shell starts looks like the shell until it has turned into
/// the other program, so children of what was found do not count.
fn processes(script: &str, marker: &str) -> Vec<u32> {
    let command = format!("/bin/sh\0-c\0{script}\0{marker}\0");
    let found: Vec<u32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let found = std::fs::read(format!("/proc/{pid}/cmdline"));
            found.is_ok_and(|found| found == command.as_bytes())
        })
        .collect();
    let is_child = |pid: u32| parent(pid).is_none_or(|parent| found.contains(&parent));
    found
        .iter()
        .copied()
        .filter(|pid| !is_child(*pid))
        .collect()
}

/// The parent of a process, or none where it has ended meanwhile.
fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
