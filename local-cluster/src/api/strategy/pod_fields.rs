//! Fields of a Pod whose values are wrong by themselves or do not go together.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::pod::CONTAINER_LISTS;
use crate::api::object::{list, text};
use crate::node::plan::quantity::millis;
use crate::schema::FieldError;

pub(super) fn validate(pod: &Value, errors: &mut Vec<FieldError>) {
    for field in CONTAINER_LISTS {
        for (i, container) in list(pod, &format!("/spec/{field}")).iter().enumerate() {
            let path = format!("spec.{field}[{i}]");
            check_env(container, &path, errors);
            check_resources(container, &path, errors);
            check_security(container, &path, errors);
            let policy = &container["imagePullPolicy"];
            let known = ["Always", "IfNotPresent", "Never"];
            if policy
                .as_str()
                .is_some_and(|policy| !known.contains(&policy))
            {
                let known = known.map(Value::from);
                let path = format!("{path}.imagePullPolicy");
                errors.push(FieldError::not_supported(path, policy, &known));
            }
        }
    }
    for (i, volume) in list(pod, "/spec/volumes").iter().enumerate() {
        let source = &volume["secret"];
        if source.is_object() && text(source, "/secretName").is_empty() {
            let path = format!("spec.volumes[{i}].secret.secretName");
            errors.push(FieldError::required(path, ""));
        }
    }
    for (i, alias) in list(pod, "/spec/hostAliases").iter().enumerate() {
        let ip = text(alias, "/ip");
        if ip.parse::<IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            let path = format!("spec.hostAliases[{i}].ip");
            errors.push(FieldError::invalid(path, &alias["ip"], detail));
        }
    }
    let config = &pod["spec"]["dnsConfig"];
    if text(pod, "/spec/dnsPolicy") == "None" {
        if !config.is_object() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            errors.push(FieldError::required("spec.dnsConfig", detail));
        } else if list(config, "/nameservers").is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(FieldError::required("spec.dnsConfig.nameservers", detail));
        }
    }
    check_ids(
        &pod["spec"]["securityContext"],
        "spec.securityContext",
        errors,
    );
}

fn check_env(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (i, variable) in list(container, "/env").iter().enumerate() {
        let name = text(variable, "/name");
        let printable = name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
        if !name.is_empty() && !printable {
            let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            let path = format!("{path}.env[{i}].name");
            errors.push(FieldError::invalid(path, &variable["name"], detail));
        }
    }
}

fn check_resources(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let resources = &container["resources"];
    for kind in ["limits", "requests"] {
        for (name, value) in resources[kind].as_object().into_iter().flatten() {
            if value.as_str().is_some_and(|text| text.starts_with('-')) {
                let path = format!("{path}.resources.{kind}[{name}]");
                let detail = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(path, value, detail));
            }
        }
    }
    for (name, wanted) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        if let (Some(wanted_amount), Some(most)) = (amount(wanted), amount(limit))
            && wanted_amount > most
        {
            let path = format!("{path}.resources.requests");
            let detail = format!("must be less than or equal to {name} limit of {most}m");
            errors.push(FieldError::invalid(path, wanted, &detail));
        }
    }
}

/// A quantity in thousandths; nothing when it is none, which the schema says.
fn amount(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    millis(&Quantity(text))
}

fn check_security(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let context = &container["securityContext"];
    let path = format!("{path}.securityContext");
    check_ids(context, &path, errors);
    if context["allowPrivilegeEscalation"] == false {
        let added = list(context, "/capabilities/add");
        if context["privileged"] == true {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(&path, context, detail));
        }
        if added.iter().any(|one| one == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(&path, context, detail));
        }
    }
}

fn check_ids(context: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        let id = &context[field];
        if id
            .as_i64()
            .is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id))
        {
            let detail = "must be between 0 and 2147483647, inclusive";
            errors.push(FieldError::invalid(format!("{path}.{field}"), id, detail));
        }
    }
}
