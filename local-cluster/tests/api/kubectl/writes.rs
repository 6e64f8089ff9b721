//! create, apply, patch, delete, wait.

use serde_json::{Value, json};

use super::{Kubectl, text};
use crate::support::{CONFIG_MAPS, WIDGETS, config_map, get, merge, post, widget, with_widgets};

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
