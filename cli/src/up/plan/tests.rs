use std::path::Path;

use clap::Parser;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{super::programs::Codex, *};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: UpArgs,
}

fn with_plan(line: &[&str], demo: bool, check: impl FnOnce(&Plan<'_>, &Ports)) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::open(dir.path()).unwrap();
    let secrets = Secrets::open(&layout).unwrap();
    let bin = |name: &str| Path::new("/programs").join(name);
    let programs = Programs {
        local_cluster: bin("codex-local-cluster"),
        pod_proxy: bin("codex-pod-proxy"),
        demo_model: bin("codex-demo-model"),
        operator: bin("codex-operator"),
        gateway: bin("codex-gateway"),
        runner: bin("codex-runner"),
        codex: Codex::Program("/somewhere/fake-codex".into()),
        postgres_bin: bin("postgres"),
        bwrap: Some("/usr/bin/bwrap".into()),
        web_dir: Some("/web".into()),
    };
    let args = Line::parse_from([&["up"], line].concat()).args;
    let ports = Ports::open(layout.ports_file());
    let stores = Stores::open(&args, &layout, |_| None).unwrap();
    let sso = Sso::open(&args.sso, PROXY, &layout, |_| None).unwrap();
    let plan = Plan {
        layout: &layout,
        programs: &programs,
        secrets: &secrets,
        stores: &stores,
        sso: &sso,
        args: &args,
        sockets: "/sockets".into(),
        demo,
    };
    check(&plan, &ports);
}

fn value(spec: &ProcessSpec, name: &str) -> Option<String> {
    let found = spec.env.iter().find(|(key, _)| *key == name)?;
    Some(found.1.to_string_lossy().into_owned())
}

const PROXY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_001);

#[test]
fn the_gateway_serves_the_web_client_that_was_built() {
    with_plan(&[], true, |plan, _| {
        let gateway = plan.gateway(PROXY, "/database-url".into());
        assert_eq!(value(&gateway, "CODEX_WEB_DIR").unwrap(), "/web");
    });
}

#[test]
fn the_gateway_is_told_of_the_identity_provider() {
    let line = [
        "--oidc-issuer",
        "https://login.example",
        "--oidc-client-id",
        "codex",
    ];
    with_plan(&line, true, |plan, _| {
        let gateway = plan.gateway(PROXY, "/database-url".into());
        assert_eq!(value(&gateway, "CODEX_OIDC_CLIENT_ID").unwrap(), "codex");
    });
    with_plan(&[], true, |plan, _| {
        let gateway = plan.gateway(PROXY, "/database-url".into());
        assert_eq!(value(&gateway, "CODEX_OIDC_ISSUER"), None);
    });
}

#[test]
fn traces_are_sent_where_they_are_wanted() {
    let parts = |plan: &Plan<'_>, ports: &Ports| {
        [
            plan.pod_proxy(ports, "http://127.0.0.1:1/v1", "/key".into()),
            plan.operator(ports, PROXY),
            plan.gateway(PROXY, "/url".into()),
        ]
    };
    let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    with_plan(&[], true, |plan, ports| {
        for spec in parts(plan, ports) {
            assert_eq!(value(&spec, endpoint), None, "{}", spec.name);
        }
    });
    let collector = "http://127.0.0.1:4318/";
    with_plan(&["--otlp", collector], true, |plan, ports| {
        for spec in parts(plan, ports) {
            assert_eq!(value(&spec, endpoint).as_deref(), Some(collector));
        }
        let gateway = plan.gateway(PROXY, "/url".into());
        assert!(value(&gateway, "CODEX_TRUST_TRACEPARENT").is_some());
    });
    let everywhere = ["--otlp", collector, "--listen", "0.0.0.0:8080"];
    with_plan(&everywhere, true, |plan, _| {
        let gateway = plan.gateway(PROXY, "/url".into());
        assert_eq!(value(&gateway, "CODEX_TRUST_TRACEPARENT"), None);
    });
}

#[test]
fn no_secret_stands_in_an_environment_or_on_a_command_line() {
    with_plan(&[], true, |plan, ports| {
        let specs = [
            plan.demo_model(ports),
            plan.pod_proxy(ports, "http://127.0.0.1:1/v1", "/key".into()),
            plan.local_cluster(),
            plan.node(),
            plan.operator(ports, PROXY),
            plan.gateway(PROXY, "/url".into()),
        ];
        let secrets = [
            plan.secrets.admin_password.expose_secret().to_owned(),
            plan.secrets.database_password.expose_secret().to_owned(),
            std::fs::read_to_string(&plan.secrets.demo_model_key).unwrap(),
            std::fs::read_to_string(&plan.secrets.nonce_key).unwrap(),
        ];
        let shown = format!("{specs:?}");
        assert!(
            secrets.iter().all(|secret| !shown.contains(secret.trim())),
            "{shown}"
        );
    });
}

#[test]
fn only_the_pod_proxy_knows_the_model_and_only_the_gateway_the_database() {
    with_plan(&["--env-allow", "APP_*,CI"], false, |plan, ports| {
        let operator = plan.operator(ports, PROXY);
        let gateway = plan.gateway(PROXY, "/url".into());
        for spec in [&operator, &gateway] {
            assert_eq!(value(spec, "CODEX_UPSTREAM_KEY_FILE"), None);
            assert_eq!(value(spec, "CODEX_ENV_ALLOW").as_deref(), Some("APP_*,CI"));
            assert_eq!(
                value(spec, "CODEX_LIVE_STORE").as_deref(),
                Some("hub:/sockets/log.sock")
            );
        }
        assert_eq!(value(&operator, "CODEX_DATABASE_URL_FILE"), None);
        assert_eq!(
            value(&gateway, "CODEX_DATABASE_URL_FILE").as_deref(),
            Some("/url")
        );
        assert_ne!(
            value(&operator, "KUBECONFIG"),
            value(&gateway, "KUBECONFIG")
        );
        // The real model is Codex's own default.
        assert_eq!(value(&operator, "CODEX_DEFAULT_MODEL"), None);
    });
}

#[test]
fn the_only_operator_needs_no_lease() {
    with_plan(&[], true, |plan, ports| {
        let operator = plan.operator(ports, PROXY);
        assert_eq!(
            value(&operator, "CODEX_LEADER_ELECTION").as_deref(),
            Some("false")
        );
    });
    let line = ["--redis", "redis://cache", "--leader-election"];
    with_plan(&line, true, |plan, ports| {
        let operator = plan.operator(ports, PROXY);
        assert_eq!(
            value(&operator, "CODEX_LEADER_ELECTION").as_deref(),
            Some("true")
        );
    });
    // Two operators that keep live logs in their own memory would show half of the tasks each.
    assert!(Line::try_parse_from(["up", "--leader-election"]).is_err());
}

#[test]
fn pods_reach_the_proxy_by_its_address_in_the_pod() {
    with_plan(&[], true, |plan, ports| {
        let operator = plan.operator(ports, PROXY);
        assert_eq!(
            value(&operator, "CODEX_POD_PROXY_URL").as_deref(),
            Some("http://127.0.0.1:8787")
        );
        assert_eq!(
            value(&operator, "CODEX_DEFAULT_MODEL").as_deref(),
            Some("gpt-5.5")
        );
        let config = plan.cluster_config(PROXY);
        assert_eq!(
            config["services"],
            json!([{"listen": "127.0.0.1:8787", "target": "127.0.0.1:40001"}])
        );
        assert_eq!(config["sandbox"], "enforced");
        let binds = &config["images"]["codex-runner:local"]["binds"];
        assert_eq!(binds[0]["target"], "/usr/local/bin/codex-runner");
        assert_eq!(
            binds[1],
            json!({"source": "/somewhere/fake-codex", "target": "/opt/codex/bin/codex"})
        );
    });
    with_plan(&["--insecure-no-sandbox"], true, |plan, ports| {
        let operator = plan.operator(ports, PROXY);
        assert_eq!(
            value(&operator, "CODEX_POD_PROXY_URL").as_deref(),
            Some("http://127.0.0.1:40001")
        );
        assert_eq!(plan.cluster_config(PROXY)["sandbox"], "none");
    });
}

#[test]
fn a_node_in_another_cluster_is_told_who_it_is_and_what_pods_run_with() {
    let line = ["--kubeconfig", "/somewhere/kubeconfig"];
    with_plan(&line, true, |plan, _| {
        let node = plan.node_config(PROXY);
        let cluster = plan.cluster_config(PROXY);
        for setting in ["images", "services", "sandbox", "bwrap"] {
            assert_eq!(node[setting], cluster[setting], "{setting}");
        }
        assert_eq!(node["bind_pods"], json!(["codex-tasks"]));
        assert_eq!(
            node["kubeconfig"],
            json!(plan.layout.kubeconfig_of("node")),
            "its own, not the one that was given"
        );
        assert_ne!(node["data_dir"], cluster["data_dir"]);
    });
    assert!(
        Line::try_parse_from(["up", "--no-node"]).is_err(),
        "the cluster of this machine has no other node"
    );
}
