//! The Pod of a task.

use std::collections::BTreeMap;

use codex_crds::meta;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, HostAlias,
    HostPathVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, Pod, PodDNSConfig,
    PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile, SecretKeySelector,
    SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity::at_most;
use super::{CONTAINER, Checked, NONCE_KEY, PROMPT_KEY, TOKEN_KEY, metadata, queue_name};
use crate::config::Config;

/// The user and group of the runner and of everything that it starts.
const UID: i64 = 10001;
/// Where the runner is in the image.
const RUNNER: &str = "/usr/local/bin/codex-runner";
/// The folder with the prompt.
const TASK_FOLDER: &str = "/run/codex";
/// What the runner leaves of the grace period, in seconds, so that its end frame arrives before it is killed.
const GRACE_MARGIN: u32 = 5;
/// Room for Codex's own state.
const CODEX_HOME_SIZE: &str = "1Gi";

/// Whose user ids the processes of a Pod have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserNamespace {
    /// Its own: root in the Pod would be nobody on the node.
    Own,
    /// Those of the node.
    #[default]
    OfNode,
}

/// The Pod of a task: restricted in the sense of the Pod security standards, with nothing writable that another task sees.
#[must_use]
pub fn pod(checked: &Checked<'_>, config: &Config, user_namespace: UserNamespace) -> Pod {
    let mut metadata = metadata(checked);
    // The Pod must not vanish before its end has been seen; see `domain::step`.
    metadata.finalizers = Some(vec![meta::OPERATOR_FINALIZER.into()]);
    if let Some(queue) = queue_name(&checked.task.spec, config) {
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(meta::QUEUE_LABEL.into(), queue.to_owned());
    }
    let (dns_policy, dns_config) = dns(config);
    Pod {
        metadata,
        spec: Some(PodSpec {
            containers: vec![container(checked, config)],
            volumes: Some(volumes(checked, config)),
            restart_policy: Some("Never".into()),
            active_deadline_seconds: Some(
                checked
                    .task
                    .spec
                    .timeout_or(checked.repository.spec.timeout_seconds),
            ),
            termination_grace_period_seconds: Some(config.grace_seconds.into()),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            host_users: (user_namespace == UserNamespace::Own).then_some(false),
            runtime_class_name: config.runtime_class.clone(),
            priority_class_name: config.priority_class.clone(),
            node_selector: node_selector(config),
            tolerations: tolerations(config),
            dns_policy,
            dns_config,
            host_aliases: host_aliases(config),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(UID),
                run_as_group: Some(UID),
                seccomp_profile: Some(seccomp()),
                ..PodSecurityContext::default()
            }),
            ..PodSpec::default()
        }),
        status: None,
    }
}

fn container(checked: &Checked<'_>, config: &Config) -> Container {
    Container {
        name: CONTAINER.into(),
        image: Some(config.runner_image.clone()),
        command: Some(vec![RUNNER.into()]),
        env: Some(env(checked, config)),
        resources: Some(resources(checked, config)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            privileged: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            run_as_user: Some(UID),
            run_as_group: Some(UID),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: None,
            }),
            seccomp_profile: Some(seccomp()),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts(checked)),
        ..Container::default()
    }
}

fn env(checked: &Checked<'_>, config: &Config) -> Vec<EnvVar> {
    let spec = &checked.task.spec;
    let repository = &checked.repository.spec;
    let mut env = vec![
        value("CODEX_TASK_ID", &checked.id),
        value(
            "CODEX_TASK_PROMPT_FILE",
            &format!("{TASK_FOLDER}/{PROMPT_KEY}"),
        ),
        value("CODEX_TASK_CWD", &checked.cwd),
        value("CODEX_REPOSITORY_PATH", &repository.path),
        value("CODEX_POD_PROXY_URL", &config.pod_proxy_url),
        value(
            "CODEX_GRACE_SECONDS",
            &config
                .grace_seconds
                .saturating_sub(GRACE_MARGIN)
                .max(1)
                .to_string(),
        ),
        value(
            "CODEX_LOG_BUDGET_BYTES",
            &config.log_budget_bytes.to_string(),
        ),
        value("CODEX_SPOOL_BYTES", &config.spool_bytes.to_string()),
        secret_value(checked, "CODEX_TASK_TOKEN", TOKEN_KEY),
        secret_value(checked, "CODEX_FRAME_NONCE", NONCE_KEY),
    ];
    let model = spec
        .model
        .as_ref()
        .or(repository.model.as_ref())
        .or(config.default_model.as_ref());
    if let Some(model) = model {
        env.push(value("CODEX_MODEL", model));
    }
    if let Some(earlier) = &spec.resume_from {
        env.push(value("CODEX_RESUME_FROM", earlier));
    }
    if !repository.mcp_servers.is_empty() {
        let servers = serde_json::to_string(&repository.mcp_servers)
            .expect("strings in maps and lists always serialize");
        env.push(value("CODEX_MCP_SERVERS", &servers));
    }
    let mut own: BTreeMap<&String, &String> = repository.env.iter().collect();
    own.extend(&spec.env);
    env.extend(
        own.into_iter()
            .map(|(name, text)| value(&format!("CODEX_ENV_{name}"), text)),
    );
    env
}

/// A literal value. Kubernetes expands `$(NAME)`, and `$$` stands for one `$`, so that what a user wrote stays as it is.
fn value(name: &str, text: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(text.replace('$', "$$")),
        value_from: None,
    }
}

fn secret_value(checked: &Checked<'_>, name: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: meta::pod_name(&checked.id),
                key: key.into(),
                optional: Some(false),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn resources(checked: &Checked<'_>, config: &Config) -> ResourceRequirements {
    let cpu = limit(checked, |all| all.cpu.as_ref(), &config.default_cpu);
    let memory = limit(checked, |all| all.memory.as_ref(), &config.default_memory);
    let disk = disk(checked, config);
    let quantities = |cpu: &str, memory: &str| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
            ("ephemeral-storage".to_owned(), Quantity(disk.to_owned())),
        ]))
    };
    ResourceRequirements {
        limits: quantities(cpu, memory),
        requests: quantities(
            &at_most(&config.cpu_request, cpu),
            &at_most(&config.memory_request, memory),
        ),
        claims: None,
    }
}

fn limit<'a>(
    checked: &'a Checked<'_>,
    pick: impl Fn(&'a codex_crds::RepositoryResources) -> Option<&'a String>,
    default: &'a str,
) -> &'a str {
    checked
        .repository
        .spec
        .resources
        .as_ref()
        .and_then(pick)
        .map_or(default, String::as_str)
}

fn disk<'a>(checked: &'a Checked<'_>, config: &'a Config) -> &'a str {
    limit(
        checked,
        |all| all.ephemeral_storage.as_ref(),
        &config.default_ephemeral_storage,
    )
}

fn volumes(checked: &Checked<'_>, config: &Config) -> Vec<Volume> {
    let source = &checked.repository.spec.source;
    let disk = disk(checked, config);
    vec![
        Volume {
            name: "repository".into(),
            persistent_volume_claim: source.persistent_volume_claim.as_ref().map(|claim| {
                PersistentVolumeClaimVolumeSource {
                    claim_name: claim.claim_name.clone(),
                    read_only: Some(true),
                }
            }),
            host_path: source.host_path.as_ref().map(|host| HostPathVolumeSource {
                path: host.path.clone(),
                type_: Some("Directory".into()),
            }),
            ..Volume::default()
        },
        Volume {
            name: "task".into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(meta::pod_name(&checked.id)),
                // Only the prompt becomes a file: token and nonce must not be where the agent can read.
                items: Some(vec![KeyToPath {
                    key: PROMPT_KEY.into(),
                    path: PROMPT_KEY.into(),
                    mode: None,
                }]),
                default_mode: Some(0o444),
                optional: Some(false),
            }),
            ..Volume::default()
        },
        empty_dir("workspace", disk),
        empty_dir("codex-home", &at_most(CODEX_HOME_SIZE, disk)),
        empty_dir("tmp", disk),
    ]
}

fn empty_dir(name: &str, size: &str) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: None,
            size_limit: Some(Quantity(size.to_owned())),
        }),
        ..Volume::default()
    }
}

fn mounts(checked: &Checked<'_>) -> Vec<VolumeMount> {
    let repository = &checked.repository.spec;
    let sub_path = repository
        .source
        .persistent_volume_claim
        .as_ref()
        .and_then(|claim| claim.sub_path.clone());
    vec![
        VolumeMount {
            sub_path,
            ..mount("repository", &repository.path, ReadOnly::Yes)
        },
        mount("task", TASK_FOLDER, ReadOnly::Yes),
        mount("workspace", "/workspace", ReadOnly::No),
        mount("codex-home", "/codex-home", ReadOnly::No),
        mount("tmp", "/tmp", ReadOnly::No),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadOnly {
    Yes,
    No,
}

fn mount(name: &str, path: &str, read_only: ReadOnly) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: (read_only == ReadOnly::Yes).then_some(true),
        ..VolumeMount::default()
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".into(),
        localhost_profile: None,
    }
}

fn node_selector(config: &Config) -> Option<BTreeMap<String, String>> {
    let labels: BTreeMap<String, String> = config.node_selector.iter().cloned().collect();
    (!labels.is_empty()).then_some(labels)
}

fn tolerations(config: &Config) -> Option<Vec<Toleration>> {
    let all: Vec<Toleration> = config
        .tolerations
        .iter()
        .map(|taint| Toleration {
            key: Some(taint.key.clone()),
            operator: Some(
                if taint.value.is_some() {
                    "Equal"
                } else {
                    "Exists"
                }
                .into(),
            ),
            value: taint.value.clone(),
            effect: taint.effect.clone(),
            toleration_seconds: None,
        })
        .collect();
    (!all.is_empty()).then_some(all)
}

fn host_aliases(config: &Config) -> Option<Vec<HostAlias>> {
    let aliases: Vec<HostAlias> = config
        .host_aliases
        .iter()
        .map(|alias| HostAlias {
            ip: alias.ip.clone(),
            hostnames: Some(vec![alias.name.clone()]),
        })
        .collect();
    (!aliases.is_empty()).then_some(aliases)
}

/// Open DNS is a way out of the Pod, so there is none where the pod proxy is found without it.
fn dns(config: &Config) -> (Option<String>, Option<PodDNSConfig>) {
    let host = config
        .pod_proxy_url
        .split_once("://")
        .map_or(config.pod_proxy_url.as_str(), |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_known = host.parse::<std::net::IpAddr>().is_ok()
        || config.host_aliases.iter().any(|alias| alias.name == host);
    if !is_known {
        return (None, None);
    }
    // Kubernetes asks for at least one server with this policy; nothing listens there.
    let config = PodDNSConfig {
        nameservers: Some(vec!["127.0.0.1".into()]),
        ..PodDNSConfig::default()
    };
    (Some("None".into()), Some(config))
}

#[cfg(test)]
pub(super) mod tests;
