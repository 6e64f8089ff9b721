//! The chart: everything that it renders is accepted.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use codex_e2e::kubernetes::ApiServer;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[("chart::it_installs", it_installs)];

pub(crate) const CHART: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/codex-remote-runner");
const HELM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/helm");

/// What somebody with stores of their own says at least.
pub(crate) const STORES: &str = r#"
redis: {url: "rediss://cache.example:6379/0"}
archive: {location: "s3://logs/codex?region=eu-west-1"}
"#;

/// What people pass to Helm, without the kinds that other projects bring (ServiceMonitor, HTTPRoute).
const VALUES: &[(&str, &str)] = &[
    ("external stores", STORES),
    (
        "development",
        concat!(
            "development: {postgresql: {enabled: true}, redis: {enabled: true}, s3: {enabled: true}}\n",
            "gateway: {replicas: 1, autoscaling: {enabled: false}, admin: {email: admin@localhost.example}}\n",
            "operator: {replicas: 1, spool: {persistent: false, size: 1Gi, taskBytes: 65536, totalBytes: 1000000}}\n",
            "podProxy: {replicas: 1}\ntasks: {allowHostPath: true}\n"
        ),
    ),
    (
        "much",
        concat!(
            "redis: {url: \"rediss://cache.example:6379/0\", customCa: true}\n",
            "archive: {location: \"s3://logs/codex?region=eu-west-1\"}\n",
            "commonLabels: {team: agents}\nrbac: {aggregate: true}\n",
            "tasks: {quota: {pods: \"50\", limits.memory: 200Gi}, userNamespaces: true, runtimeClass: gvisor}\n",
            "gateway: {publicUrl: https://codex.example.com, corsOrigins: [\"https://app.example.com\"],\n",
            "  oidc: {issuer: \"https://login.example.com\", clientId: codex}}\n",
            "ingress: {enabled: true, className: nginx, controller: nginx}\n",
            "networkPolicy: {extraEgress: [{to: [{ipBlock: {cidr: 169.254.170.23/32}}], ports: [{port: 80}]}]}\n",
            "backup:\n",
            "  database: {enabled: true, destination: \"backup:codex/postgresql\"}\n",
            "  archive: {enabled: true, source: \"logs:logs/codex\", destination: \"backup:codex/archive\"}\n"
        ),
    ),
    (
        "DNS, haproxy, no network policies",
        concat!(
            "redis: {url: \"rediss://cache.example:6379/0\", password: false}\n",
            "archive: {location: \"s3://logs/codex?region=eu-west-1\", credentials: false}\n",
            "podProxy: {discovery: dns}\nnetworkPolicy: {enabled: false}\n",
            "ingress: {enabled: true, controller: haproxy, tlsSecret: \"\"}\n"
        ),
    ),
    (
        "fixed address",
        concat!(
            "redis: {url: \"rediss://cache.example:6379/0\"}\n",
            "archive: {location: \"s3://logs/codex?region=eu-west-1\"}\n",
            "podProxy: {service: {clusterIP: 10.96.7.7}}\ncrds: {keep: false}\ntasks: {namespace: {keep: false}}\n"
        ),
    ),
];

/// On a server of its own, because each installation brings the CustomResourceDefinitions.
fn it_installs(world: &World) -> Result<()> {
    if world.server.is_somebody_elses() {
        // Their definitions may be in use.
        return Ok(());
    }
    let server = ApiServer::start()?;
    for (what, values) in VALUES {
        let install = |more: &[&str]| {
            let mut arguments = vec![
                "install",
                "codex",
                CHART,
                "--namespace=codex-system",
                "--create-namespace",
            ];
            arguments.extend(more);
            helm(&server, &arguments, values).with_context(|| format!("the values {what:?}"))
        };
        install(&["--dry-run=server"])?;
        install(&["--no-hooks"])?;
        // What was accepted is there.
        let rendered = helm(
            &server,
            &["get", "manifest", "codex", "--namespace=codex-system"],
            "",
        )?;
        let file = server.folder().join("manifest.yaml");
        std::fs::write(&file, &rendered)?;
        let file = format!("--filename={}", file.display());
        let there = server.kubectl(&["get", &file, "--output=name"])?;
        let wanted = rendered
            .lines()
            .filter(|line| line.starts_with("kind: "))
            .count();
        ensure!(
            there.lines().count() == wanted && wanted > 20,
            "{what}: {wanted} rendered, there are\n{there}"
        );
        helm(
            &server,
            &[
                "uninstall",
                "codex",
                "--namespace=codex-system",
                "--no-hooks",
            ],
            "",
        )?;
        // What is kept over an uninstallation belongs to no release then.
        for kept in ["customresourcedefinitions", "namespaces"] {
            let selector = "--selector=app.kubernetes.io/instance=codex";
            server.kubectl(&[
                "delete",
                kept,
                selector,
                "--ignore-not-found",
                "--timeout=90s",
            ])?;
        }
    }
    Ok(())
}

/// Runs helm with these values; answers with its standard output.
pub(crate) fn helm(server: &ApiServer, arguments: &[&str], values: &str) -> Result<String> {
    let mut file = tempfile::NamedTempFile::new_in(server.folder())?;
    std::io::Write::write_all(&mut file, values.as_bytes())?;
    let mut command = Command::new(HELM);
    command
        .env("KUBECONFIG", server.kubeconfig())
        .env("HOME", server.folder())
        .args(arguments);
    if !values.is_empty() {
        command.arg("--values").arg(file.path());
    }
    let output = command
        .output()
        .context("helm is missing; run scripts/install-kubernetes-tools")?;
    if !output.status.success() {
        bail!(
            "helm {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
