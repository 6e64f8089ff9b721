//! Containers without a sandbox, for kernels that forbid namespaces.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::Write as _;
use std::net::TcpListener;

use codex_local_cluster::node::config::{SandboxMode, ServiceConfig};
use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::{NodeConfig, PreflightError, preflight};
use serde_json::json;

mod node_support;
use node_support::{Bench, config, exited, pod};

#[tokio::test]
async fn places_and_services_are_those_of_the_host() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = ServiceConfig {
        listen: "127.0.0.1:8787".parse().unwrap(),
        target: target.local_addr().unwrap(),
    };
    let config = NodeConfig {
        sandbox: SandboxMode::None,
        services: vec![service],
        ..config()
    };
    if nix::unistd::geteuid().is_root() {
        let refusal = preflight(&config).unwrap_err();
        assert!(
            matches!(refusal, PreflightError::RootWithoutSandbox),
            "{refusal}"
        );
        return;
    }
    let bench = Bench::new(config);
    assert!(
        bench
            .runtime
            .found()
            .warnings
            .iter()
            .any(|warning| warning.contains("NOT sandboxed"))
    );
    let answers =
        std::thread::spawn(move || target.accept().unwrap().0.write_all(b"served\n").unwrap());
    let script = r#"
        echo kept > "$WORKSPACE/sub/result"; pwd | grep -c workspace; cat "$KEYS/token"; echo
        exec 3<>/dev/tcp/${SERVICE%:*}/${SERVICE#*:}; head -n 1 <&3
    "#;
    let pod = pod(
        script,
        json!({
            "volumes": [{"name": "workspace", "emptyDir": {}}, {"name": "keys", "secret": {"secretName": "keys"}}],
            "containers": [{
                "workingDir": "/workspace",
                "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}, {"name": "keys", "mountPath": "/keys"}],
                "env": [
                    {"name": "WORKSPACE", "value": "/workspace"},
                    {"name": "KEYS", "value": "/keys"},
                    {"name": "SERVICE", "value": "127.0.0.1:8787"},
                ],
            }],
        }),
    );
    let workspace = bench
        .runtime
        .pod_dir(&pod)
        .unwrap()
        .volumes()
        .join("workspace");
    std::fs::create_dir_all(workspace.join("sub")).unwrap();
    let secret = serde_json::from_value(
        json!({"metadata": {"name": "keys"}, "stringData": {"token": "s3cr3t"}}),
    )
    .unwrap();
    let objects = Objects {
        secrets: [("keys".to_owned(), secret)].into(),
        ..Objects::default()
    };
    let (outcome, output) = bench.run(&pod, &objects).await;
    assert_eq!(
        (outcome, output.as_str()),
        (exited(0), "1\ns3cr3t\nserved\n")
    );
    assert_eq!(
        std::fs::read_to_string(workspace.join("sub/result")).unwrap(),
        "kept\n"
    );
    answers.join().unwrap();
}
