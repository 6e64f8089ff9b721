//! The environment of a container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};

use super::objects::{Objects, config_map_entries, secret_entries};
use super::{PlanError, containers_of, fields};

/// Resolves the variables of a container, in the order in which Kubernetes applies them: the image, `envFrom`, `env`.
///
/// # Errors
/// Names the object or key that is missing.
pub fn resolve(
    pod: &Pod,
    container: &Container,
    image: &BTreeMap<String, String>,
    objects: &Objects,
) -> Result<BTreeMap<String, String>, PlanError> {
    let mut env = image.clone();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut entries = BTreeMap::new();
        if let Some(reference) = &source.config_map_ref {
            match objects.config_maps.get(&reference.name) {
                Some(config_map) => entries.extend(config_map_entries(config_map)),
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(PlanError::config(format!(
                        "configmap \"{}\" not found",
                        reference.name
                    )));
                }
            }
        }
        if let Some(reference) = &source.secret_ref {
            match objects.secrets.get(&reference.name) {
                Some(secret) => entries.extend(secret_entries(secret)),
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(PlanError::config(format!(
                        "secret \"{}\" not found",
                        reference.name
                    )));
                }
            }
        }
        env.extend(
            entries
                .into_iter()
                .map(|(key, value)| (format!("{prefix}{key}"), text(value))),
        );
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(pod, container, variable, &env, objects)? {
            env.insert(variable.name.clone(), value);
        }
    }
    Ok(env)
}

fn value_of(
    pod: &Pod,
    container: &Container,
    variable: &EnvVar,
    env: &BTreeMap<String, String>,
    objects: &Objects,
) -> Result<Option<String>, PlanError> {
    let Some(source) = &variable.value_from else {
        return Ok(Some(expand(
            variable.value.as_deref().unwrap_or_default(),
            env,
        )));
    };
    if let Some(reference) = &source.field_ref {
        return match fields::field(pod, &reference.field_path) {
            Some(value) => Ok(Some(value)),
            None => Err(PlanError::config(format!(
                "{}: unknown field {}",
                variable.name, reference.field_path
            ))),
        };
    }
    if let Some(selector) = &source.resource_field_ref {
        let of = containers_of(pod)
            .find(|other| Some(&other.name) == selector.container_name.as_ref())
            .unwrap_or(container);
        return match fields::resource(of, selector) {
            Some(value) => Ok(Some(value)),
            None => Err(PlanError::config(format!(
                "{}: unknown resource {}",
                variable.name, selector.resource
            ))),
        };
    }
    let (kind, name, key, optional, entries) = if let Some(reference) = &source.secret_key_ref {
        (
            "secret",
            &reference.name,
            &reference.key,
            reference.optional,
            objects.secrets.get(&reference.name).map(secret_entries),
        )
    } else if let Some(reference) = &source.config_map_key_ref {
        (
            "configmap",
            &reference.name,
            &reference.key,
            reference.optional,
            objects
                .config_maps
                .get(&reference.name)
                .map(config_map_entries),
        )
    } else {
        return Err(PlanError::config(format!(
            "{}: this kind of valueFrom is not supported",
            variable.name
        )));
    };
    match entries {
        None if optional == Some(true) => Ok(None),
        None => Err(PlanError::config(format!("{kind} \"{name}\" not found"))),
        Some(mut entries) => match entries.remove(key) {
            Some(value) => Ok(Some(text(value))),
            None if optional == Some(true) => Ok(None),
            None => Err(PlanError::config(format!(
                "couldn't find key {key} in {kind} {name}"
            ))),
        },
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Replaces `$(NAME)` by the variable's value; `$$(NAME)` is a literal `$(NAME)`, and unknown names stay as they are.
pub fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, after) = rest.split_at(start);
        out.push_str(before);
        if let Some(tail) = after.strip_prefix("$$") {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix("$(")
            .and_then(|tail| tail.split_once(')'))
        {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = &after[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$$(A)", "$(A)"),
            ("$(B)", "$(B)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("$$$(A)", "$1"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
