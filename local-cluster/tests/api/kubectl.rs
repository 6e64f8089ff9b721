//! The real kubectl against the API server. It is found by `KUBECTL` or on the path.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use codex_local_cluster::testing::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::support::{
    CONFIG_MAPS, PATIENCE, PODS, WIDGETS, config_map, eventually, get, merge, pod, post, widget,
    with_widgets,
};

struct Kubectl {
    kubeconfig: PathBuf,
    /// Discovery is cached below the home folder; each test has its own.
    home: TempDir,
}

impl Kubectl {
    fn new(cluster: &Cluster) -> Self {
        Self::with(cluster.kubeconfig_path())
    }

    fn with(kubeconfig: &Path) -> Self {
        Self {
            kubeconfig: kubeconfig.to_owned(),
            home: TempDir::new().unwrap(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command =
            Command::new(std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).spawn().expect("kubectl is installed");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("kubectl {args:?} ends in time"))
            .unwrap()
    }

    /// Standard output of a command that must succeed.
    async fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "").await
    }

    async fn ok_with(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "kubectl {args:?}: {out}{err}");
        out
    }

    /// Standard error of a command that must fail.
    async fn fails(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input).await;
        assert!(
            !output.status.success(),
            "kubectl {args:?}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

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
        let mut child = kubectl.command(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = async || {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            line.expect("a line in time")
                .unwrap()
                .expect("one more line")
        };
        assert_eq!(columns(&line().await)[0], "NAME");
        assert_eq!(columns(&line().await)[..2], ["w", "red"]);
        for color in ["green", "blue", "red"] {
            // kubectl starts the watch after it has printed, so the first change may come before.
            merge(
                &client,
                &format!("{WIDGETS}/w"),
                &json!({"spec": {"color": color}}),
            )
            .await;
        }
        // The next line is a change, not the same object again; the last one is the last state.
        let mut seen = columns(&line().await)[1].to_owned();
        while seen != "red" {
            seen = columns(&line().await)[1].to_owned();
        }
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
async fn create_apply_edit_and_delete() {
    let (cluster, client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    let yaml = |color: &str| widget("w", color).to_string();
    assert!(
        kubectl
            .ok_with(&["create", "-f", "-"], &yaml("red"))
            .await
            .contains("widget.test.example.com/w created")
    );
    let again = kubectl.fails(&["create", "-f", "-"], &yaml("red")).await;
    assert!(again.contains("AlreadyExists"), "{again}");
    let refused = kubectl
        .fails(&["create", "-f", "-"], &widget("x", "mauve").to_string())
        .await;
    assert!(
        refused.contains("is invalid") && refused.contains("spec.color"),
        "{refused}"
    );
    let mut odd = widget("x", "red");
    odd["spec"]["wheels"] = json!(4);
    let refused = kubectl
        .fails(&["create", "-f", "-"], &odd.to_string())
        .await;
    assert!(
        refused.contains("unknown field \"spec.wheels\""),
        "{refused}"
    );
    kubectl.ok(&["delete", "widget", "w"]).await;
    // Client-side apply: created, configured, unchanged, and fields that are taken out go.
    let map = |data: Value| config_map("m", data).to_string();
    let apply = ["apply", "-f", "-"];
    assert!(
        kubectl
            .ok_with(&apply, &map(json!({"a": "1", "b": "2"})))
            .await
            .contains("created")
    );
    assert!(
        kubectl
            .ok_with(&apply, &map(json!({"a": "1", "b": "2"})))
            .await
            .contains("unchanged")
    );
    assert!(
        kubectl
            .ok_with(&apply, &map(json!({"a": "3"})))
            .await
            .contains("configured")
    );
    let (_, m) = get(&client, &format!("{CONFIG_MAPS}/m")).await;
    assert_eq!(m["data"], json!({"a": "3"}));
    assert!(
        kubectl
            .ok_with(&apply, &yaml("red"))
            .await
            .contains("created")
    );
    assert!(
        kubectl
            .ok_with(&apply, &yaml("blue"))
            .await
            .contains("configured")
    );
    assert!(
        kubectl
            .ok_with(&apply, &yaml("blue"))
            .await
            .contains("unchanged")
    );
    let diff = kubectl.run(&["diff", "-f", "-"], &yaml("green")).await;
    assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stderr));
    assert!(
        text(&diff.stdout).contains("+  color: green"),
        "{}",
        text(&diff.stdout)
    );
    // Server-side apply, and the conflict of a second manager.
    let server_side = ["apply", "--server-side", "--field-manager=me", "-f", "-"];
    let other = widget("ssa", "red").to_string();
    assert!(
        kubectl
            .ok_with(&server_side, &other)
            .await
            .contains("serverside-applied")
    );
    let conflict = kubectl
        .fails(
            &["apply", "--server-side", "--field-manager=you", "-f", "-"],
            &widget("ssa", "blue").to_string(),
        )
        .await;
    assert!(
        conflict.contains("conflict") && conflict.contains(".spec.color"),
        "{conflict}"
    );
    kubectl
        .ok(&[
            "patch",
            "widget",
            "ssa",
            "--type=merge",
            "-p",
            r#"{"spec":{"size":5}}"#,
        ])
        .await;
    kubectl
        .ok(&[
            "patch",
            "widget",
            "ssa",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"phase":"Ready"}}"#,
        ])
        .await;
    kubectl.ok(&["label", "widget", "ssa", "a=b"]).await;
    kubectl.ok(&["annotate", "widget", "ssa", "c=d"]).await;
    let (_, o) = get(&client, &format!("{WIDGETS}/ssa")).await;
    assert_eq!(
        (&o["spec"]["size"], &o["status"]["phase"]),
        (&json!(5), &json!("Ready"))
    );
    assert_eq!(o["metadata"]["labels"]["a"], "b");
    assert!(
        kubectl
            .ok(&["delete", "widget", "ssa", "w"])
            .await
            .contains("deleted")
    );
    kubectl
        .ok(&["run", "p", "--image=codex-runner:local", "--restart=Never"])
        .await;
    assert!(
        kubectl
            .ok(&["delete", "pod", "p"])
            .await
            .contains("deleted")
    );
    kubectl.ok(&["create", "namespace", "n"]).await;
    kubectl
        .ok(&["create", "configmap", "c", "-n", "n", "--from-literal=a=b"])
        .await;
    kubectl
        .ok(&[
            "create",
            "secret",
            "generic",
            "s",
            "-n",
            "n",
            "--from-literal=a=b",
        ])
        .await;
    // Waits until all that was in it is gone.
    kubectl.ok(&["delete", "namespace", "n"]).await;
    assert_eq!(
        get(&client, "/api/v1/namespaces/n/configmaps/c").await.0,
        404
    );
    kubectl
        .ok(&["delete", "crd", "widgets.test.example.com"])
        .await;
}

#[tokio::test]
async fn wait_ends_when_the_condition_holds() {
    let (cluster, client) = with_widgets().await;
    let kubectl = Kubectl::new(&cluster);
    kubectl
        .ok(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.test.example.com",
            "--timeout=20s",
        ])
        .await;
    post(&client, WIDGETS, &widget("w", "red")).await;
    let child = kubectl
        .command(&["wait", "--for=condition=Ready", "widget/w", "--timeout=20s"])
        .spawn()
        .unwrap();
    merge(
        &client,
        &format!("{WIDGETS}/w/status"),
        &json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    )
    .await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    kubectl
        .ok(&[
            "wait",
            "--for=jsonpath={.spec.color}=red",
            "widget/w",
            "--timeout=20s",
        ])
        .await;
    let child = kubectl
        .command(&["wait", "--for=delete", "widget/w", "--timeout=20s"])
        .spawn()
        .unwrap();
    kubectl.ok(&["delete", "widget", "w"]).await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
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
