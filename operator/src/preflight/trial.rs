//! A Pod that is never made: the API server is asked what it would do with one.
//!
//! That goes through everything that a task's Pod goes through, whoever set it up: Pod security, runtime and priority classes, quotas,
//! policies and webhooks. What comes back is the Pod as the cluster would make it, which tells whether a field was dropped.

use std::sync::Arc;

use codex_crds::{CodexRepository, CodexRepositorySpec, CodexTask, CodexTaskSpec, meta};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Finding, Problem, ask};
use crate::config::Config;
use crate::plan::{self, Checked, UserNamespace};

const NAME: &str = "preflight";
/// The first version in which user namespaces need not be turned on.
const USER_NAMESPACES_SINCE: u32 = 33;

/// Asks for a Pod as tasks get it.
pub(super) async fn check(
    client: &Client,
    config: &Config,
    version: &Info,
    user_namespace: UserNamespace,
    findings: &mut Vec<Finding>,
) {
    let wanted = pod(config, user_namespace);
    let api: Api<Pod> = Api::namespaced(client.clone(), &config.namespace);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match ask(api.create(&dry_run, &wanted)).await {
        Ok(made) => compare(&wanted, &made, version, findings),
        Err(problem) => findings.push(refusal(&problem, config)),
    }
}

/// A Pod as a task gets it whose repository is in a claim.
fn pod(config: &Config, user_namespace: UserNamespace) -> Pod {
    let path = "/srv/repos/preflight";
    let mut spec = CodexRepositorySpec {
        path: path.to_owned(),
        ..CodexRepositorySpec::default()
    };
    spec.source.persistent_volume_claim = Some(codex_crds::PersistentVolumeClaimSource {
        claim_name: NAME.to_owned(),
        sub_path: None,
    });
    let repository = Arc::new(CodexRepository::new(NAME, spec));
    let mut task = CodexTask::new(NAME, CodexTaskSpec::default());
    task.metadata.namespace = Some(config.namespace.clone());
    let checked = Checked {
        task: &task,
        id: NAME.to_owned(),
        repository: &repository,
        cwd: path.to_owned(),
    };
    plan::pod(&checked, config, user_namespace)
}

fn refusal(problem: &Problem, config: &Config) -> Finding {
    let namespace = &config.namespace;
    let Problem::Refused(status) = problem else {
        return Finding::warns(format!(
            "whether the cluster takes the Pods of tasks cannot be found out: {problem}."
        ));
    };
    let message = &status.message;
    let remedy = if status.is_not_found() {
        return Finding::stops(format!(
            "there is no namespace {namespace} ({message}). Make it: `kubectl create namespace {namespace}`, and label it pod-security.kubernetes.io/enforce=restricted."
        ));
    } else if message.contains("exceeded quota") {
        "Tasks wait until there is room; make the quota as large as CODEX_MAX_RUNNING tasks need"
    } else if message.contains("RuntimeClass") {
        "Make the RuntimeClass that CODEX_RUNTIME_CLASS (tasks.runtimeClass in the chart) names, or name another; `kubectl get runtimeclasses` lists them"
    } else if message.contains("PriorityClass") {
        "Make the PriorityClass that CODEX_PRIORITY_CLASS (tasks.priorityClass in the chart) names, or name another"
    } else {
        "Ask whoever set up this policy to let Pods of the operator pass"
    };
    Finding::warns(format!(
        "the cluster would refuse every Pod of a task: {message}. {remedy}."
    ))
}

fn compare(wanted: &Pod, made: &Pod, version: &Info, findings: &mut Vec<Finding>) {
    let (Some(wanted), Some(made)) = (&wanted.spec, &made.spec) else {
        return;
    };
    if wanted.host_users == Some(false) && made.host_users != Some(false) {
        findings.push(Finding::warns(format!(
            "the cluster ({}.{}) drops hostUsers from Pods, so they get no user namespaces. Kubernetes 1.{USER_NAMESPACES_SINCE} and later has them, unless the feature gate UserNamespacesSupport is off; CODEX_USER_NAMESPACES=false accepts it.",
            version.major, version.minor
        )));
    }
    let names = |spec: &PodSpec| -> Vec<String> {
        let init = spec.init_containers.iter().flatten();
        init.chain(&spec.containers)
            .map(|container| container.name.clone())
            .collect()
    };
    let added: Vec<String> = names(made)
        .into_iter()
        .filter(|name| !names(wanted).contains(name))
        .collect();
    if !added.is_empty() {
        findings.push(Finding::warns(format!(
            "something in the cluster puts more containers into the Pods of tasks ({}), which share their network and may keep them from ending. Leave Pods labelled {}={} out of the injection.",
            added.join(", "),
            meta::MANAGED_BY_LABEL,
            meta::OPERATOR_NAME
        )));
    }
    let is_same = wanted.containers.first().is_some_and(|wanted| {
        let mut same = made.containers.iter().filter(|it| it.name == wanted.name);
        same.any(|made| promises(made) == promises(wanted))
    }) && made.automount_service_account_token == Some(false)
        && made.host_network != Some(true)
        && made.host_pid != Some(true)
        && made.host_ipc != Some(true);
    if !is_same {
        findings.push(Finding::warns(
            "something in the cluster changes the security settings of the Pods of tasks. Look for mutating webhooks and policies: `kubectl get mutatingwebhookconfigurations,mutatingadmissionpolicies`.",
        ));
    }
}

/// What the sandbox of a container rests on, without what the API server fills in.
fn promises(container: &Container) -> Option<SecurityContext> {
    let context = container.security_context.as_ref()?;
    Some(SecurityContext {
        allow_privilege_escalation: context.allow_privilege_escalation,
        capabilities: context.capabilities.clone(),
        privileged: context.privileged,
        read_only_root_filesystem: context.read_only_root_filesystem,
        run_as_group: context.run_as_group,
        run_as_non_root: context.run_as_non_root,
        run_as_user: context.run_as_user,
        seccomp_profile: context.seccomp_profile.clone(),
        ..SecurityContext::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_config as config;

    fn told(change: impl FnOnce(&mut PodSpec)) -> String {
        let wanted = pod(&config(&[]), UserNamespace::Own);
        let mut made = wanted.clone();
        change(made.spec.as_mut().unwrap());
        let mut findings = Vec::new();
        compare(&wanted, &made, &Info::default(), &mut findings);
        super::super::list(&findings)
    }

    #[test]
    fn what_a_cluster_does_to_pods_is_seen() {
        assert_eq!(told(|_| {}), "");
        assert!(told(|spec| spec.host_users = None).contains("drops hostUsers"));
        let told_of_sidecar = told(|spec| {
            let mut sidecar = spec.containers[0].clone();
            sidecar.name = "istio-proxy".into();
            spec.containers.push(sidecar);
        });
        assert!(
            told_of_sidecar.contains("(istio-proxy)"),
            "{told_of_sidecar}"
        );
        let weaker = told(|spec| spec.containers[0].security_context = None);
        assert!(weaker.contains("changes the security settings"), "{weaker}");
    }

    #[test]
    fn refusals_say_what_to_do() {
        let told = |message: &str, code: u16, reason: &str| {
            let status = kube::core::Status {
                message: message.to_owned(),
                code,
                reason: reason.to_owned(),
                ..kube::core::Status::default()
            };
            refusal(&Problem::Refused(Box::new(status)), &config(&[])).to_string()
        };
        let missing = told(
            "pod rejected: RuntimeClass \"gvisor\" not found",
            403,
            "Forbidden",
        );
        assert!(missing.contains("CODEX_RUNTIME_CLASS"), "{missing}");
        let quota = told("exceeded quota: q", 403, "Forbidden");
        assert!(quota.contains("CODEX_MAX_RUNNING"), "{quota}");
        let gone = told("namespaces \"x\" not found", 404, "NotFound");
        assert!(
            gone.starts_with("error: there is no namespace codex-tasks"),
            "{gone}"
        );
    }
}
