//! Volumes, variables and the files of the image.

use std::os::unix::fs::PermissionsExt as _;

use codex_local_cluster::node::config::ImageBind;
use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::shim::state::Outcome;
use serde_json::json;

use crate::node_support::{Bench, config, pod};

fn objects() -> Objects {
    let secret = serde_json::from_value(
        json!({"metadata": {"name": "keys"}, "data": {"token": "czNjcjN0", "other": "eA=="}}),
    )
    .unwrap();
    let config_map = serde_json::from_value(
        json!({"metadata": {"name": "settings"}, "data": {"a.conf": "A\n", "b.conf": "B\n"}}),
    )
    .unwrap();
    Objects {
        secrets: [("keys".to_owned(), secret)].into(),
        config_maps: [("settings".to_owned(), config_map)].into(),
        ..Objects::default()
    }
}

#[tokio::test]
async fn volumes_and_variables_are_there() {
    let bench = Bench::new(config());
    // Closed to everybody but its owner, as a data folder below a home is.
    let host = bench.folder.path().join("closed/repository");
    std::fs::create_dir_all(host.join("sub")).unwrap();
    std::fs::write(host.join("file"), "from the host").unwrap();
    std::fs::write(host.join("sub/inner"), "deep").unwrap();
    std::os::unix::fs::symlink("/etc", host.join("escape")).unwrap();
    std::fs::set_permissions(
        bench.folder.path().join("closed"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let script = r#"
        cd /srv/repos/demo && cat file && echo
        ( echo x > /srv/repos/demo/new ) 2>/dev/null && echo BAD: repository is writable
        cat /part/inner && echo
        cat /keys/token && echo; ls /keys; stat -c %a /keys/token
        ( echo x > /keys/new ) 2>/dev/null && echo BAD: secret is writable
        cat /settings/renamed; cat /one/a.conf
        cat /about/name && echo; cat /about/limit && echo
        echo kept > /workspace/result; stat -c %a /workspace
        dd if=/dev/zero of=/memory/big bs=1M count=2 2>/dev/null && echo BAD: memory volume has no limit
        ( echo x > /usr/local/lib/probe ) 2>/dev/null && echo BAD: host folder is writable
        echo "$TOKEN $MISSING $SETTING $NAME $LIMIT $BOTH $PREFIXED_other"
    "#;
    let pod = pod(
        script,
        json!({
            "volumes": [
                {"name": "repository", "hostPath": {"path": host}},
                {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400, "items": [{"key": "token", "path": "token"}]}},
                {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "b.conf", "path": "renamed"}]}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
                {"name": "about", "downwardAPI": {"items": [
                    {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                    {"path": "limit", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}},
                ]}},
                {"name": "workspace", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ],
            "containers": [{
                "resources": {"limits": {"memory": "256Mi", "cpu": "1"}},
                "volumeMounts": [
                    {"name": "repository", "mountPath": "/srv/repos/demo", "readOnly": true},
                    {"name": "repository", "mountPath": "/part", "subPath": "sub"},
                    {"name": "keys", "mountPath": "/keys"},
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "all", "mountPath": "/one/a.conf", "subPath": "a.conf"},
                    {"name": "about", "mountPath": "/about"},
                    {"name": "workspace", "mountPath": "/workspace"},
                    {"name": "memory", "mountPath": "/memory"},
                ],
                "envFrom": [{"prefix": "PREFIXED_", "secretRef": {"name": "keys"}}],
                "env": [
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                    {"name": "MISSING", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no", "optional": true}}},
                    {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a.conf"}}},
                    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
                    {"name": "BOTH", "value": "$(NAME)-$(TOKEN)"},
                ],
            }],
        }),
    );
    let (outcome, output) = bench.run(&pod, &objects()).await;
    assert_eq!(
        output,
        "from the host\ndeep\ns3cr3t\ntoken\n400\nB\nA\nprobe\n256\n777\ns3cr3t  A\n probe 268435456 probe-s3cr3t x\n",
        "{outcome:?}"
    );
    let kept = bench
        .runtime
        .pod_dir(&pod)
        .unwrap()
        .volumes()
        .join("workspace/result");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept\n");
    assert_no_secret_on_disk(bench.folder.path());
}

fn assert_no_secret_on_disk(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_symlink() {
        } else if path.is_dir() {
            assert_no_secret_on_disk(&path);
        } else if path.extension().is_none_or(|extension| extension != "log") {
            let content = std::fs::read(&path).unwrap();
            assert!(
                !content.windows(6).any(|window| window == b"s3cr3t"),
                "{} holds a secret",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn a_sub_path_cannot_leave_its_volume() {
    let bench = Bench::new(config());
    let host = bench.folder.path().join("volume");
    std::fs::create_dir(&host).unwrap();
    std::os::unix::fs::symlink("/etc", host.join("escape")).unwrap();
    let pod = pod(
        "ls /escaped",
        json!({
            "volumes": [{"name": "volume", "hostPath": {"path": host}}],
            "containers": [{"volumeMounts": [{"name": "volume", "mountPath": "/escaped", "subPath": "escape"}]}],
        }),
    );
    let (outcome, output) = bench.run(&pod, &Objects::default()).await;
    assert!(
        matches!(outcome, Outcome::CannotRun { .. }),
        "{outcome:?} {output}"
    );
}

#[tokio::test]
async fn an_image_adds_files_beside_those_of_the_host() {
    let bench_folder = tempfile::tempdir().unwrap();
    let tool = bench_folder.path().join("tool");
    std::fs::write(&tool, "#!/bin/sh\necho from the image\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = config();
    let image = config.images.get_mut("test").unwrap();
    image.binds = [
        "/usr/local/bin/codex-probe-tool",
        "/opt/probe/bin/tool",
        "/usr/local/bin/codex-other-tool",
    ]
    .map(|target| ImageBind {
        source: tool.clone(),
        target: target.to_owned(),
    })
    .into();
    image.env.insert("FROM_IMAGE".to_owned(), "yes".to_owned());
    let bench = Bench::new(config);
    let host: usize = std::fs::read_dir("/usr/local/bin").map_or(0, Iterator::count);
    let script = "codex-probe-tool; codex-other-tool; /opt/probe/bin/tool; echo $FROM_IMAGE; ls /usr/local/bin | wc -l; ( : > /usr/local/bin/x ) 2>/dev/null && echo BAD";
    let (_, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(
        output,
        format!(
            "from the image\nfrom the image\nfrom the image\nyes\n{}\n",
            host + 2
        )
    );
}
