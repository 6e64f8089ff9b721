//! The node as a process of its own, for an API server that is another one. Bubblewrap is found by `CODEX_BWRAP`, the path or the npm package.

use std::path::Path;

use http::Method;
use kube::Client;
use nix::sys::signal::Signal;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{PODS, eventually, get, pod, post, send};

fn settings(dir: &Path, cluster: &Server) -> Value {
    json!({
        "kubeconfig": cluster.ready["kubeconfig"],
        "data_dir": dir.join("node"),
        "node_name": "joined",
        "client_ca_file": dir.join("clients.crt"),
        "bind_pods": ["default"],
        "images": {"codex-runner:local": {}},
    })
}

#[tokio::test]
async fn a_node_joins_runs_pods_and_comes_back_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new("clients").keep(dir.path());
    let cluster = Server::start(dir.path(), &json!({"run_node": false})).await;
    let client = cluster.client().await;
    let settings = settings(dir.path(), &cluster);
    let mut node = Server::start_as("node", dir.path(), &settings).await;
    let port = registered(&client).await;
    assert_eq!(node.ready["url"], format!("https://127.0.0.1:{port}"));

    let mut object = pod("p");
    object["spec"]["restartPolicy"] = json!("Never");
    let stop = dir.path().join("stop");
    let script = "while [ ! -e /host/stop ]; do sleep 0.1; done";
    object["spec"]["containers"][0]["command"] = json!(["/bin/sh", "-c", script]);
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "host", "mountPath": "/host"}]);
    object["spec"]["volumes"] = json!([{"name": "host", "hostPath": {"path": dir.path()}}]);
    // Where the sandbox runs as another user.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    assert_eq!(post(&client, PODS, &object).await.0, 201);
    let running = phase(&client, "Running").await;
    assert_eq!(running["spec"]["nodeName"], "joined");
    let container = &running["status"]["containerStatuses"][0]["containerID"];

    node.signal(Signal::SIGKILL);
    assert!(!node.ended().await);
    let _node = Server::start_as("node", dir.path(), &settings).await;
    std::fs::write(stop, "").unwrap();
    let ended = phase(&client, "Succeeded").await;
    let status = &ended["status"]["containerStatuses"][0];
    assert_eq!(
        (&status["containerID"], &status["restartCount"]),
        (container, &json!(0))
    );
    let (_, lease) = get(
        &client,
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/joined",
    )
    .await;
    assert_eq!(lease["spec"]["holderIdentity"], "joined");
}

#[tokio::test]
async fn logs_are_for_those_whom_the_api_server_knows() {
    let dir = tempfile::tempdir().unwrap();
    let clients = Authority::new("clients");
    clients.keep(dir.path());
    let cluster = Server::start(dir.path(), &json!({"run_node": false})).await;
    let node = Server::start_as("node", dir.path(), &settings(dir.path(), &cluster)).await;
    let url = node.ready["url"].as_str().unwrap();
    let path = "/containerLogs/default/p/main";
    let ask = async |identity: Option<(String, String)>, token: Option<&str>| {
        let client = stranger(url, identity);
        let header = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = header
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        send(&client, Method::GET, path, &headers, "")
            .await
            .0
            .as_u16()
    };
    assert_eq!(ask(None, None).await, 401);
    // The API server of this test does no reviews for others, so nobody is known: that must not mean that everybody is.
    assert_eq!(ask(None, Some("made-up")).await, 500);
    assert_eq!(ask(Some(clients.issue("kube-apiserver")), None).await, 500);

    let impostor = stranger(url, Some(Authority::new("clients").issue("kube-apiserver")));
    let request = http::Request::get(path).body(kube::client::Body::empty());
    let refused = impostor.send(request.unwrap()).await;
    assert!(refused.is_err(), "the handshake fails");
}

/// Waits until the node is registered; answers with its port.
async fn registered(client: &Client) -> u64 {
    eventually("the node is registered", async || {
        let (code, node) = get(client, "/api/v1/nodes/joined").await;
        let address = &node["status"]["addresses"];
        let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        // An API server asks a Hostname first, and the name of this node resolves nowhere.
        let alone = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
        port.filter(|_| code == 200 && *address == alone)
    })
    .await
}

async fn phase(client: &Client, phase: &str) -> Value {
    eventually(phase, async || {
        let (_, found) = get(client, &format!("{PODS}/p")).await;
        (found["status"]["phase"] == phase).then_some(found)
    })
    .await
}

/// A client of the node's endpoint.
fn stranger(url: &str, identity: Option<(String, String)>) -> Client {
    let mut config = kube::Config::new(url.parse().unwrap());
    config.accept_invalid_certs = true;
    if let Some((certificate, key)) = identity {
        config.auth_info.client_certificate_data = Some(certificate);
        config.auth_info.client_key_data = Some(key.into());
    }
    Client::try_from(config).unwrap()
}

/// Vouches for clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn keep(&self, dir: &Path) {
        std::fs::write(dir.join("clients.crt"), &self.pem).unwrap();
    }

    /// A certificate and its key, as a kubeconfig has them.
    fn issue(&self, name: &str) -> (String, String) {
        use base64::Engine as _;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        (encode(certificate.pem()), encode(key.serialize_pem()))
    }
}
