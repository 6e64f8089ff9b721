//! What the allow-list says of the cases that the admission policy of the chart is held against, too.

#![expect(
    clippy::unwrap_used,
    reason = "clippy only knows functions that are marked as tests"
)]

use std::collections::BTreeMap;

use codex_crds::admission;
use codex_crds::allow_list::{self, Entry};
use codex_crds::env_policy::EnvPolicy;
use codex_crds::limits::MAX_PROMPT_BYTES;
use serde_json::Value;

/// A text, or one that is too long to write down: `{"prefix": "/", "repeat": "x", "times": 5000}`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        long => {
            let times = long["times"].as_u64().unwrap();
            let prefix = long["prefix"].as_str().unwrap_or_default();
            let repeated = long["repeat"].as_str().unwrap();
            prefix.to_owned() + &repeated.repeat(usize::try_from(times).unwrap())
        }
    }
}

fn is_allowed(spec: &Value, repositories: &[Entry], policy: &EnvPolicy) -> bool {
    let cwd = spec.get("cwd").map(text);
    let env: BTreeMap<String, String> = spec["env"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    allow_list::resolve(cwd.as_deref(), repositories).is_ok()
        && policy.check(&env).is_ok()
        && text(&spec["prompt"]).len() <= MAX_PROMPT_BYTES
}

#[test]
fn the_allow_list_decides_as_the_table_says() {
    let table: Value = serde_json::from_str(include_str!("admission.json")).unwrap();
    let mut count = 0;
    for set in table["sets"].as_array().unwrap() {
        let repositories = set["repositories"].as_array().unwrap().iter();
        let repositories: Vec<Entry> = repositories
            .map(|repository| Entry {
                name: text(&repository["path"]),
                path: text(&repository["path"]),
                is_default: repository["default"] == true,
            })
            .collect();
        let policy = EnvPolicy::new(set["env"].as_array().unwrap().iter().map(text));
        for case in set["cases"].as_array().unwrap() {
            let allowed = is_allowed(&case["spec"], &repositories, &policy);
            assert_eq!(case["allowed"], allowed, "{}: {case}", set["name"]);
            count += 1;
        }
        // What the operator tells the policy of it.
        let mut wanted = set["parameters"].clone();
        wanted["refusedNames"] = table["refusedNames"].clone();
        wanted["refusedPrefixes"] = table["refusedPrefixes"].clone();
        let told = admission::parameters(&repositories, &policy);
        assert_eq!(
            serde_json::to_value(told).unwrap(),
            wanted,
            "{}",
            set["name"]
        );
    }
    assert!(count > 80, "{count} cases");
}
