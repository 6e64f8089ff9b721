//! What no task, repository or configuration can do.

use super::*;

#[test]
fn what_is_not_allowed_is_refused() {
    let refusal = |spec: Value, repositories: &[Arc<CodexRepository>], more: &[&str]| {
        check(&task(spec), repositories, &config(more)).unwrap_err()
    };
    let app = repository(json!({}));
    let outside = refusal(
        json!({"prompt": "p", "cwd": "/srv/repos/app/../other"}),
        &app,
        &[],
    );
    assert_eq!(outside.reason(), "InvalidCwd");
    let env = refusal(
        json!({"prompt": "p", "env": {"LD_PRELOAD": "x"}}),
        &app,
        &[],
    );
    assert_eq!(env.reason(), "InvalidEnv");
    let env = refusal(
        json!({"prompt": "p", "env": {"FOO": "x"}}),
        &app,
        &["--env-allow=CI,RUST_*"],
    );
    assert!(env.to_string().contains("CI, RUST_*"));
    let host = repository(json!({"source": {"hostPath": {"path": "/data/app"}}}));
    let refused = refusal(json!({"prompt": "p"}), &host, &[]);
    assert_eq!(refused, Refusal::HostPath("app".into()));
    let pod = planned(
        &task(json!({"prompt": "p"})),
        &host,
        &config(&["--allow-host-path=true"]),
    );
    assert_eq!(
        pod["spec"]["volumes"][0]["hostPath"],
        json!({"path": "/data/app", "type": "Directory"})
    );
}

/// What the design promises of every Pod, whatever task, repository and configuration say.
#[test]
fn no_configuration_takes_security_away() {
    let tasks = [
        json!({"prompt": "p"}),
        json!({"prompt": "p", "env": {"CI": "1"}, "queueName": "q", "resumeFrom": "x", "timeoutSeconds": 86_400}),
    ];
    let repositories = [
        repository(json!({})),
        repository(
            json!({"source": {"hostPath": {"path": "/data/app"}}, "env": {"A": "b"},
            "resources": {"cpu": "64", "memory": "1Ti", "ephemeralStorage": "1Ti"}}),
        ),
    ];
    let configurations: [&[&str]; 3] = [
        &["--allow-host-path=true"],
        &[
            "--allow-host-path=true",
            "--runtime-class=kata",
            "--user-namespaces=true",
        ],
        &[
            "--allow-host-path=true",
            "--priority-class=a",
            "--node-selector=a=b",
            "--tolerations=a",
            "--kueue-queue=q",
        ],
    ];
    for (spec, repositories, more) in tasks.iter().flat_map(|spec| {
        let with = move |repositories| configurations.map(|more| (spec, repositories, more));
        repositories.iter().flat_map(with)
    }) {
        let pod = planned(&task(spec.clone()), repositories, &config(more));
        let spec = &pod["spec"];
        for (field, wanted) in [
            ("automountServiceAccountToken", json!(false)),
            ("enableServiceLinks", json!(false)),
            ("dnsPolicy", json!("None")),
            ("restartPolicy", json!("Never")),
            ("hostNetwork", Value::Null),
            ("hostPID", Value::Null),
            ("hostIPC", Value::Null),
            ("shareProcessNamespace", Value::Null),
            ("serviceAccountName", Value::Null),
            ("initContainers", Value::Null),
        ] {
            assert_eq!(spec[field], wanted, "{field}");
        }
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            spec["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        assert!(
            spec["activeDeadlineSeconds"]
                .as_i64()
                .is_some_and(|seconds| seconds > 0)
        );
        let [container] = &spec["containers"].as_array().unwrap()[..] else {
            panic!("more than one container");
        };
        let security = &container["securityContext"];
        for (field, wanted) in [
            ("allowPrivilegeEscalation", json!(false)),
            ("privileged", json!(false)),
            ("readOnlyRootFilesystem", json!(true)),
            ("runAsNonRoot", json!(true)),
            ("capabilities", json!({"drop": ["ALL"]})),
        ] {
            assert_eq!(security[field], wanted, "{field}");
        }
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            assert!(
                container["resources"]["limits"][resource].is_string(),
                "{resource}"
            );
        }
        // Only the task's own folders can be written; the prompt is the only thing of the Secret that becomes a file.
        for mount in container["volumeMounts"].as_array().unwrap() {
            let name = mount["name"].as_str().unwrap();
            let is_own = ["workspace", "codex-home", "tmp"].contains(&name);
            assert_eq!(mount["readOnly"] == true, !is_own, "{name}");
        }
        for volume in spec["volumes"].as_array().unwrap() {
            if let Some(size) = volume.get("emptyDir") {
                assert!(size["sizeLimit"].is_string(), "{volume}");
            }
            assert!(volume.get("projected").is_none(), "{volume}");
        }
        let secrets = container["env"].as_array().unwrap().iter();
        let secrets: Vec<&str> = secrets
            .filter(|variable| variable.get("valueFrom").is_some())
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        assert_eq!(secrets, ["CODEX_TASK_TOKEN", "CODEX_FRAME_NONCE"]);
    }
}
