//! The local cluster, and the node alone.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{NAMESPACE, NODE_NAME, POD_PROXY_IN_POD, Plan, RUNNER_IMAGE};
use crate::up::process::ProcessSpec;

impl Plan<'_> {
    /// The configuration file of the local cluster.
    #[must_use]
    pub fn cluster_config(&self, pod_proxy: SocketAddr) -> Value {
        let mut config = self.node_settings(pod_proxy);
        config["data_dir"] = json!(self.layout.root().join("cluster"));
        config["listen"] = "127.0.0.1:0".into();
        config
    }

    /// The configuration file of a node in somebody else's cluster.
    #[must_use]
    pub fn node_config(&self, pod_proxy: SocketAddr) -> Value {
        let mut config = self.node_settings(pod_proxy);
        config["data_dir"] = json!(self.layout.root().join("node"));
        config["kubeconfig"] = json!(self.layout.kubeconfig_of("node"));
        config["node_name"] = NODE_NAME.into();
        config["bind_pods"] = json!([NAMESPACE]);
        config
    }

    /// What Pods run with, wherever they come from.
    fn node_settings(&self, pod_proxy: SocketAddr) -> Value {
        let runner = (
            self.programs.runner.clone(),
            "/usr/local/bin/codex-runner".to_owned(),
        );
        let binds: Vec<Value> = std::iter::once(runner)
            .chain(self.programs.codex.binds())
            .map(|(source, target)| json!({"source": source, "target": target}))
            .collect();
        json!({
            "sandbox": if self.args.insecure_no_sandbox { "none" } else { "enforced" },
            "bwrap": self.programs.bwrap,
            "images": {
                RUNNER_IMAGE: {
                    "binds": binds,
                    "env": self.image_env(),
                    "entrypoint": ["/usr/local/bin/codex-runner"],
                }
            },
            "services": [{"listen": POD_PROXY_IN_POD, "target": pod_proxy}],
        })
    }

    /// The environment that the image brings.
    fn image_env(&self) -> Value {
        let mut env = json!({"PATH": "/usr/local/bin:/usr/bin:/bin"});
        if self.args.insecure_no_sandbox {
            // The runner's own defaults, spelled out: without a sandbox the node has to put the real paths in their place.
            env["CODEX_BIN"] = "/opt/codex/bin/codex".into();
            env["CODEX_WORKSPACE"] = "/workspace".into();
            env["CODEX_HOME"] = "/codex-home".into();
        }
        env
    }

    /// The local cluster: API server and node. Pods live in processes of their own and survive it.
    #[must_use]
    pub fn local_cluster(&self) -> ProcessSpec {
        let config = self.layout.config("local-cluster.json");
        let args = vec!["serve".into(), "--config".into(), config.into()];
        ProcessSpec {
            args,
            ..self.part(
                "local-cluster",
                "the local cluster",
                &self.programs.local_cluster,
                Vec::new(),
            )
        }
    }

    /// The node in somebody else's cluster. Its Pods survive it, too.
    #[must_use]
    pub fn node(&self) -> ProcessSpec {
        let config = self.layout.config("node.json");
        let args = vec!["node".into(), "--config".into(), config.into()];
        ProcessSpec {
            args,
            ..self.part("node", "the node", &self.programs.local_cluster, Vec::new())
        }
    }
}
