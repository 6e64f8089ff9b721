//! Kubeconfig files for kubectl and kube-rs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A kubeconfig with one context; JSON is YAML, so this is what every client reads.
pub(crate) fn render(server: &str, ca_pem: &str, user: &str, token: &str) -> Value {
    const NAME: &str = "codex-local";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": NAME,
            "cluster": {
                "server": server,
                "certificate-authority-data": STANDARD.encode(ca_pem),
            },
        }],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user}}],
        "current-context": NAME,
    })
}
