//! The allow-list as the admission policy of the chart reads it.
//!
//! A policy of the API server sees one object at a time and cannot look for repositories, so the operator writes what counts into one
//! ConfigMap, which is the policy's parameter. The words for it are those that the policy uses; `charts/tests` and this crate hold both
//! sides against the same cases (`crds/tests/admission.json`).

use std::collections::BTreeMap;

use crate::allow_list::Entry;
use crate::env_policy::{EnvPolicy, REFUSED_NAMES, REFUSED_PREFIXES};

/// What the ConfigMap says, by key. Lists have one entry a line.
#[must_use]
pub fn parameters(repositories: &[Entry], env: &EnvPolicy) -> BTreeMap<String, String> {
    let paths = |entries: &mut dyn Iterator<Item = &Entry>| {
        let mut paths: Vec<&str> = entries.map(|entry| entry.path.as_str()).collect();
        paths.sort_unstable();
        paths.join("\n")
    };
    [
        ("repositories", paths(&mut repositories.iter())),
        (
            "defaults",
            paths(&mut repositories.iter().filter(|entry| entry.is_default)),
        ),
        ("env", env.patterns().join("\n")),
        ("refusedNames", REFUSED_NAMES.join("\n")),
        ("refusedPrefixes", REFUSED_PREFIXES.join("\n")),
    ]
    .map(|(key, text)| (key.to_owned(), text))
    .into()
}
