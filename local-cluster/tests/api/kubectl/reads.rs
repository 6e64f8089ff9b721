//! get, describe, explain, auth can-i.

use std::time::Duration;

use codex_local_cluster::testing::Cluster;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{Kubectl, columns, text};
use crate::support::{
    PATIENCE, PODS, WIDGETS, eventually, get, merge, pod, post, widget, with_widgets,
};

#[tokio::test]
async fn get_prints_tables_and_objects() {
    let (cluster, client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    post(&client, PODS, &pod("p")).await;
    let mut labelled = pod("q");
    labelled["metadata"]["labels"] = json!({"app": "x"});
    post(&client, PODS, &labelled).await;
    post(&client, WIDGETS, &widget("w", "red")).await;
    let pods = kubectl.ok(&["get", "pods"]).await;
    let lines: Vec<&str> = pods.lines().collect();
    assert_eq!(
        columns(lines[0]),
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    );
    assert_eq!(columns(lines[1])[..4], ["p", "0/1", "Pending", "0"]);
    let wide = kubectl.ok(&["get", "po", "p", "-o", "wide"]).await;
    assert!(wide.contains("NODE") && wide.contains("<none>"), "{wide}");
    let selected = kubectl
        .ok(&["get", "pods", "-l", "app=x", "-o", "name"])
        .await;
    assert_eq!(selected.trim(), "pod/q");
    let selected = kubectl
        .ok(&[
            "get",
            "pods",
            "--field-selector",
            "metadata.name=p,status.phase!=Running",
            "-o",
            "name",
        ])
        .await;
    assert_eq!(selected.trim(), "pod/p");
    let widgets = kubectl.ok(&["get", "wd", "-A"]).await;
    let lines: Vec<&str> = widgets.lines().collect();
    assert_eq!(
        columns(lines[0]),
        ["NAMESPACE", "NAME", "COLOR", "READY", "AGE"]
    );
    assert_eq!(columns(lines[1])[..3], ["default", "w", "red"]);
    let yaml = kubectl.ok(&["get", "widget", "w", "-o", "yaml"]).await;
    assert!(
        yaml.contains("kind: Widget") && yaml.contains("size: 3"),
        "{yaml}"
    );
    let missing = kubectl.fails(&["get", "pod", "none"], "").await;
    assert!(
        missing.contains("Error from server (NotFound): pods \"none\" not found"),
        "{missing}"
    );
    let namespaces = kubectl.ok(&["get", "ns"]).await;
    assert!(
        namespaces.contains("codex-tasks") && namespaces.contains("Active"),
        "{namespaces}"
    );
    for what in [
        "nodes",
        "events",
        "crd",
        "cm",
        "secrets",
        "sa",
        "pv",
        "pvc",
        "leases",
        "netpol",
        "events.events.k8s.io",
    ] {
        kubectl.ok(&["get", what, "-A"]).await;
    }
    let toys = kubectl.ok(&["get", "toys"]).await;
    assert!(toys.contains('w'), "{toys}");
}

#[tokio::test]
async fn get_watch_prints_each_change_once() {
    let (cluster, client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    post(&client, WIDGETS, &widget("w", "red")).await;
    for args in [&["get", "widgets", "-w"][..], &["get", "widget", "w", "-w"]] {
        let paint = async |color: &str| {
            merge(
                &client,
                &format!("{WIDGETS}/w"),
                &json!({"spec": {"color": color}}),
            )
            .await;
        };
        paint("red").await;
        let mut child = kubectl.command(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = async |patience: Duration| {
            let line = tokio::time::timeout(patience, lines.next_line())
                .await
                .ok()?;
            Some(line.unwrap().expect("kubectl goes on"))
        };
        let header = line(PATIENCE).await.expect("a header");
        assert_eq!(columns(&header)[0], "NAME");
        let first = line(PATIENCE).await.expect("the object");
        assert_eq!(columns(&first)[..2], ["w", "red"]);
        // kubectl starts its watch at some time after it has printed, and what changed before is
        // swallowed with the synthetic first event. So there are changes until one is printed.
        let mut colors = ["green", "blue"].into_iter().cycle();
        let change = eventually("a change is printed", async || {
            paint(colors.next().unwrap()).await;
            line(Duration::from_millis(200)).await
        })
        .await;
        assert_ne!(
            columns(&change)[1],
            "red",
            "the object is not printed twice"
        );
        child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn describe_shows_objects_and_their_events() {
    let (cluster, client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    post(&client, PODS, &pod("p")).await;
    eventually("the scheduler said that there is no node", async || {
        let (_, list) = get(&client, "/api/v1/namespaces/default/events").await;
        (!list["items"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    let pod = kubectl.ok(&["describe", "pod", "p"]).await;
    assert!(
        pod.contains("FailedScheduling") && pod.contains("0/0 nodes are available"),
        "{pod}"
    );
    post(&client, WIDGETS, &widget("w", "red")).await;
    let widget = kubectl.ok(&["describe", "widget", "w"]).await;
    assert!(
        widget.contains("Color:") && widget.contains("red"),
        "{widget}"
    );
    let namespace = kubectl.ok(&["describe", "ns", "default"]).await;
    assert!(namespace.contains("Status:       Active"), "{namespace}");
    kubectl
        .ok(&["describe", "crd", "widgets.test.example.com"])
        .await;
}

#[tokio::test]
async fn explain_and_api_resources_know_definitions() {
    let (cluster, _client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    let explained = kubectl.ok(&["explain", "widget.spec"]).await;
    assert!(
        explained.contains("What the widget should be.") && explained.contains("color"),
        "{explained}"
    );
    assert!(
        kubectl
            .ok(&["explain", "widget", "--recursive"])
            .await
            .contains("conditions")
    );
    assert!(
        kubectl
            .ok(&["explain", "pod.spec.containers"])
            .await
            .contains("image")
    );
    let resources = kubectl.ok(&["api-resources"]).await;
    let row = resources
        .lines()
        .find(|l| l.starts_with("widgets"))
        .unwrap_or_else(|| panic!("{resources}"));
    assert_eq!(
        columns(row),
        ["widgets", "wd", "test.example.com/v1", "true", "Widget"]
    );
    assert!(
        kubectl
            .ok(&["api-versions"])
            .await
            .contains("coordination.k8s.io/v1")
    );
    assert!(
        kubectl
            .ok(&["version"])
            .await
            .contains("Server Version: v1.33.0")
    );
}

#[tokio::test]
async fn auth_can_i_answers_from_the_policies() {
    let cluster = Cluster::start().await;
    let can = async |user: &str, args: &[&str]| {
        let kubectl = Kubectl::with(cluster.kubeconfig_path_for(user));
        let mut all = vec!["auth", "can-i"];
        all.extend(args);
        text(&kubectl.run(&all, "").await.stdout).trim().to_owned()
    };
    assert_eq!(can("admin", &["*", "*"]).await, "yes");
    assert_eq!(
        can("operator", &["create", "pods", "-n", "codex-tasks"]).await,
        "yes"
    );
    assert_eq!(
        can(
            "operator",
            &["get", "pods", "--subresource=log", "-n", "codex-tasks"]
        )
        .await,
        "yes"
    );
    assert_eq!(
        can("operator", &["get", "secrets", "-n", "default"]).await,
        "no"
    );
    assert_eq!(
        can("gateway", &["get", "pods", "-n", "codex-tasks"]).await,
        "no"
    );
    assert_eq!(
        can(
            "node",
            &["patch", "pods", "--subresource=status", "-n", "codex-tasks"]
        )
        .await,
        "yes"
    );
    assert_eq!(
        can("node", &["create", "pods", "-n", "codex-tasks"]).await,
        "no"
    );
    let gateway = Kubectl::with(cluster.kubeconfig_path_for("gateway"));
    let whoami = gateway.ok(&["auth", "whoami"]).await;
    assert!(whoami.contains("codex-gateway"), "{whoami}");
    let list = gateway
        .ok(&["auth", "can-i", "--list", "-n", "codex-tasks"])
        .await;
    assert!(list.contains("codextasks"), "{list}");
    let refused = gateway
        .fails(&["get", "pods", "-n", "codex-tasks"], "")
        .await;
    assert!(
        refused.contains("Error from server (Forbidden)"),
        "{refused}"
    );
}
