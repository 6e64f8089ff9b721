//! Laws that hold for all objects: patches and server-side apply on random input.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use std::sync::Arc;

use codex_local_cluster::schema::patch::{json_patch, merge_patch, strategic_merge};
use proptest::collection::vec;
use proptest::prelude::*;
use schema_support::random::{SCHEMA, free, spec, word};
use schema_support::{Story, builtin, object};
use serde_json::{Map, Value, json};

fn story() -> Story {
    Story::new(Arc::clone(&SCHEMA))
}

/// A merge patch from one value to another.
fn diff(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let gone = from.keys().filter(|key| !to.contains_key(*key));
            let mut patch: Map<String, Value> =
                gone.map(|key| (key.clone(), Value::Null)).collect();
            for (key, value) in to {
                match from.get(key) {
                    Some(old) if old == value => {}
                    Some(old) => {
                        patch.insert(key.clone(), diff(old, value));
                    }
                    None => {
                        patch.insert(key.clone(), value.clone());
                    }
                }
            }
            Value::Object(patch)
        }
        _ => to.clone(),
    }
}

/// Whether all of `part` is in `whole`; list items anywhere.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part))),
        (Value::Array(whole), Value::Array(part)) => part
            .iter()
            .all(|part| whole.iter().any(|whole| contains(whole, part))),
        _ => whole == part,
    }
}

/// A value without its empty lists: nobody owns such a list, as upstream has it.
fn without_empty_lists(value: &Value) -> Value {
    let wanted = |value: &&Value| value.as_array().is_none_or(|items| !items.is_empty());
    match value {
        Value::Array(items) => items
            .iter()
            .filter(wanted)
            .map(without_empty_lists)
            .collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| wanted(value))
            .map(|(key, value)| (key.clone(), without_empty_lists(value)))
            .collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merge_of_a_diff_gives_the_target(from in spec(), to in spec()) {
        prop_assert_eq!(merge_patch(&from, &diff(&from, &to)), to);
    }

    #[test]
    fn merge_patches_are_idempotent(doc in free(), patch in free()) {
        let once = merge_patch(&doc, &patch);
        prop_assert_eq!(merge_patch(&once, &patch), once);
    }

    #[test]
    fn json_patches_of_a_diff_give_the_target(from in free(), to in free()) {
        let patch = serde_json::to_value(json_patch::diff(&from, &to)).unwrap();
        prop_assert_eq!(json_patch(&from, &patch), Ok(to));
    }

    /// Whoever applies first owns all of it, and gets exactly that.
    #[test]
    fn the_first_apply_creates_what_it_says(config in spec()) {
        let mut story = story();
        let config = object(config);
        story.apply("a", &config);
        let mut made = story.live().clone();
        made["metadata"].as_object_mut().unwrap().remove("managedFields");
        prop_assert_eq!(made, config);
    }

    #[test]
    fn applying_again_changes_nothing(first in spec(), second in spec()) {
        let mut story = story();
        story.apply("a", &object(first));
        story.force("b", &object(second.clone()));
        let before = story.live().clone();
        story.apply("b", &object(second));
        prop_assert_eq!(story.live(), &before);
    }

    /// The manager that applied last finds its configuration in the object.
    #[test]
    fn what_was_applied_is_there(first in spec(), second in spec(), third in spec()) {
        let mut story = story();
        story.force("a", &object(first));
        story.force("b", &object(second));
        story.force("a", &object(third.clone()));
        prop_assert!(contains(story.spec(), &third), "{} in {}", third, story.spec());
    }

    /// What one manager alone owns never conflicts and follows its configuration.
    #[test]
    fn a_sole_owner_never_conflicts(first in spec(), second in spec()) {
        let mut story = story();
        story.apply("a", &object(first));
        story.apply("a", &object(second.clone()));
        story.apply("a", &object(second.clone()));
        prop_assert!(contains(story.spec(), &second));
        let mut fresh = Story::new(Arc::clone(&SCHEMA));
        fresh.apply("a", &object(second));
        prop_assert_eq!(
            story.owned("a", "Apply"), fresh.owned("a", "Apply"),
            "ownership has no memory"
        );
    }

    /// The live object, applied as it is, conflicts with nobody.
    #[test]
    fn applying_the_live_object_never_conflicts(first in spec(), second in spec()) {
        let mut story = story();
        story.force("a", &object(first));
        story.force("b", &object(second));
        let live = object(story.spec().clone());
        let before = story.spec().clone();
        story.apply("c", &live);
        prop_assert_eq!(story.spec(), &before);
    }

    /// After the last applier let go, nothing is left that it brought.
    #[test]
    fn letting_go_removes_everything(config in spec()) {
        let mut story = story();
        story.apply("a", &object(without_empty_lists(&config)));
        story.apply("a", &json!({
            "apiVersion": "example.com/v1", "kind": "Widget",
            "metadata": {"name": "w", "namespace": "default"},
        }));
        prop_assert_eq!(story.live().get("spec"), None);
        prop_assert_eq!(story.live().pointer("/metadata/managedFields"), None);
    }

    /// An update of any content leaves every field with at most the managers that wrote it, and
    /// the updater can apply what it wrote without conflict.
    #[test]
    fn the_updater_owns_what_it_changed(first in spec(), second in spec()) {
        let mut story = story();
        story.apply("a", &object(first.clone()));
        let mut next = story.live().clone();
        next["spec"] = second.clone();
        story.update("u", &next);
        prop_assert_eq!(story.spec(), &second);
        if first == second {
            prop_assert_eq!(story.entry("u", "Update"), None);
        }
        story.apply("a", &object(second));
    }

    #[test]
    fn defaulting_and_pruning_are_idempotent(spec in free()) {
        let mut once = object(spec);
        SCHEMA.default_and_prune(&mut once);
        let mut twice = once.clone();
        prop_assert_eq!(SCHEMA.default_and_prune(&mut twice), Vec::<String>::new());
        prop_assert_eq!(once, twice);
    }

    /// Merging a list of containers over itself changes nothing, in whatever order.
    #[test]
    fn strategic_merges_are_idempotent(names in vec(word(), 0..4), patch in vec(word(), 0..4)) {
        let pod = builtin("", "Pod");
        let containers = |names: &[String]| {
            let mut seen: Vec<&String> = Vec::new();
            for name in names {
                if !seen.contains(&name) {
                    seen.push(name);
                }
            }
            let list: Vec<Value> = seen.iter().map(|n| json!({"name": n, "image": n})).collect();
            json!({"spec": {"containers": list}})
        };
        let (doc, patch) = (containers(&names), containers(&patch));
        let once = strategic_merge(&pod, &doc, &patch).unwrap();
        prop_assert_eq!(strategic_merge(&pod, &once, &patch).unwrap(), once);
    }
}
