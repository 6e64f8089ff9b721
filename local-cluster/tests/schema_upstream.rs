//! Random stories of applies and updates, and random strategic merge patches, and what
//! Kubernetes made of them.
//!
//! The outcomes stand in `schema_upstream/*.json.gz`. To make them anew, with Go:
//! `cargo test -p codex-local-cluster --test schema_upstream -- --ignored`.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use codex_local_cluster::schema::apply::ApplyError;
use codex_local_cluster::schema::patch::strategic_merge;
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use schema_support::random::{SCHEMA, pod, pod_patch, spec, spec_schema};
use schema_support::{Story, builtin, object};
use serde_json::{Value, json};

const STORIES: usize = 400;
const PATCHES: usize = 600;

fn unpacked(file: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn strategic_merges_come_to_the_same_as_upstream() {
    let schema = builtin("", "Pod");
    let patches = unpacked(include_bytes!("schema_upstream/patches.json.gz"));
    let patches = patches.as_array().unwrap();
    assert_eq!(patches.len(), PATCHES);
    let mut compared = 0;
    for patch in patches {
        // Upstream forgets directives inside of items that are new to a list, and stores them.
        if patch["result"].to_string().contains("$patch") {
            continue;
        }
        let found = strategic_merge(&schema, &patch["doc"], &patch["patch"]);
        if patch.get("refused") == Some(&Value::Bool(true)) {
            assert!(found.is_err(), "{patch}\n{found:?}");
        } else {
            assert_eq!(found.as_ref(), Ok(&patch["result"]), "{patch}");
            compared += 1;
        }
    }
    assert!(
        compared > PATCHES / 2,
        "{compared} patches are too few to show anything"
    );
}

#[test]
fn applies_come_to_the_same_as_upstream() {
    let replayed = unpacked(include_bytes!("schema_upstream/stories.json.gz"));
    let stories = replayed["stories"].as_array().unwrap();
    assert_eq!(stories.len(), STORIES);
    let mut conflicts = 0;
    for (number, steps) in stories.iter().enumerate() {
        let mut story = Story::new(Arc::clone(&SCHEMA));
        for (index, step) in steps.as_array().unwrap().iter().enumerate() {
            let place = format!(
                "story {number}, step {index}: {step}\nlive: {:?}",
                story.live
            );
            let outcome = play(&mut story, step);
            match (outcome, step.get("conflicts")) {
                (Err(ApplyError::Conflicts(found)), Some(wanted)) => {
                    let mut found: Vec<String> = found
                        .into_iter()
                        .map(|c| format!("conflict with {}: {}", c.manager, c.field))
                        .collect();
                    found.sort();
                    assert_eq!(json!(found), *wanted, "{place}");
                    conflicts += 1;
                }
                (Ok(()), None) => {
                    let wanted = comparable(&step["result"]);
                    let found = without_additional_empties(&comparable(story.live()), &wanted);
                    assert_eq!(found, wanted, "{place}");
                    // Go on from what upstream has, so that no difference hides another.
                    story.live = Some(step["result"].clone());
                }
                (outcome, wanted) => panic!("{place}\n{outcome:?} instead of {wanted:?}"),
            }
        }
    }
    assert!(
        conflicts > STORIES / 10,
        "{conflicts} conflicts are too few to show anything"
    );
}

fn play(story: &mut Story, step: &Value) -> Result<(), ApplyError> {
    let manager = step["manager"].as_str().unwrap();
    if let Some(applied) = step.get("apply") {
        let force = step.get("force") == Some(&Value::Bool(true));
        return story.try_apply(manager, applied, force);
    }
    story.update(manager, &step["update"]);
    Ok(())
}

/// An object without times and uid, which the two sides do not share.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("uid");
    if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
        for entry in entries.iter_mut() {
            entry.as_object_mut().unwrap().remove("time");
        }
        // Upstream orders by time.
        entries.sort_by_key(|entry| entry["operation"].to_string() + &entry["manager"].to_string());
    }
    object
}

/// Upstream leaves null where a map was applied empty and just lost its content; we leave the
/// empty map that was asked for.
fn without_additional_empties(found: &Value, wanted: &Value) -> Value {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => found
            .iter()
            .filter(|(key, value)| {
                let empty = **value == json!({}) || **value == json!([]);
                !empty || wanted.contains_key(*key)
            })
            .map(|(key, value)| {
                let wanted = wanted.get(key).unwrap_or(&Value::Null);
                (key.clone(), without_additional_empties(value, wanted))
            })
            .collect(),
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => found
            .iter()
            .zip(wanted)
            .map(|(found, wanted)| without_additional_empties(found, wanted))
            .collect(),
        _ => found.clone(),
    }
}

#[test]
#[ignore = "writes the stories again; needs Go and its module proxy"]
fn write_stories() {
    let mut runner = TestRunner::deterministic();
    let step = (
        prop_oneof!["a", "b", "c"],
        prop_oneof![3 => Just("apply"), 2 => Just("force"), 2 => Just("update")],
        spec(),
    )
        .prop_map(|(manager, action, spec)| {
            let mut step = json!({"manager": manager});
            let key = if action == "update" {
                "update"
            } else {
                "apply"
            };
            step[key] = object(spec);
            if action == "force" {
                step["force"] = json!(true);
            }
            step
        });
    let story = proptest::collection::vec(step, 1..7);
    let stories: Vec<Value> = (0..STORIES)
        .map(|_| json!(story.new_tree(&mut runner).unwrap().current()))
        .collect();
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object",
        "properties": {
            "apiVersion": text, "kind": text, "spec": spec_schema(),
            "metadata": {"type": "object", "properties": {
                "name": text, "namespace": text, "uid": text,
                "managedFields": {"type": "array", "items": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            }},
        },
        "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Widget"}],
    });
    record(
        "apply",
        "stories",
        &json!({"schema": schema, "stories": stories}),
    );
}

#[test]
#[ignore = "writes the patches again; needs Go and its module proxy"]
fn write_patches() {
    let mut runner = TestRunner::deterministic();
    // Every other patch is the one that kubectl makes to get from one Pod to another.
    let written = (pod(), pod_patch()).prop_map(|(doc, patch)| json!({"doc": doc, "patch": patch}));
    let made = (pod(), pod()).prop_map(|(doc, target)| json!({"doc": doc, "target": target}));
    let pair = prop_oneof![written, made];
    let patches: Vec<Value> = (0..PATCHES)
        .map(|_| pair.new_tree(&mut runner).unwrap().current())
        .collect();
    record("strategic", "patches", &Value::Array(patches));
}

/// Runs one of the Go programs on the input and keeps what it says.
fn record(program: &str, name: &str, input: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema_upstream");
    let mut upstream = Command::new("go")
        .args(["run", &format!("./{program}")])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = upstream.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = upstream.wait_with_output().unwrap();
    assert!(output.status.success());
    // No time stamp, so that the same input gives the same bytes.
    let mut file = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    file.write_all(&output.stdout).unwrap();
    let path = folder.join(format!("{name}.json.gz"));
    std::fs::write(path, file.finish().unwrap()).unwrap();
}
