//! Lists and maps: atomic ones, sets, and lists with keys.

use serde_json::json;

use crate::schema_support::{conflicts, object};
use crate::story;

#[test]
fn sets_are_owned_by_item() {
    let mut story = story();
    story.apply("a", &object(json!({"set": ["x", "y"]})));
    story.apply("b", &object(json!({"set": ["y", "z"]})));
    assert_eq!(*story.spec(), json!({"set": ["x", "y", "z"]}));
    assert_eq!(
        story.owned("b", "Apply"),
        Some(json!({"f:spec": {"f:set": {"v:\"y\"": {}, "v:\"z\"": {}}}}))
    );
    story.apply("a", &object(json!({"set": ["x"]})));
    assert_eq!(*story.spec(), json!({"set": ["x", "y", "z"]}));
    story.apply("b", &object(json!({})));
    assert_eq!(*story.spec(), json!({"set": ["x"]}));
}

#[test]
fn list_maps_are_merged_by_key_in_the_order_of_the_applier() {
    let mut story = story();
    story.apply(
        "a",
        &object(json!({"items": [{"name": "x", "value": 1}, {"name": "y"}]})),
    );
    story.apply(
        "b",
        &object(json!({"items": [{"name": "z"}, {"name": "x", "other": "o"}]})),
    );
    assert_eq!(
        *story.spec(),
        json!({"items": [{"name": "z"}, {"name": "x", "value": 1, "other": "o"}, {"name": "y"}]})
    );
    assert_eq!(
        story.owned("b", "Apply"),
        Some(json!({"f:spec": {"f:items": {
            "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:other": {}},
            "k:{\"name\":\"z\"}": {".": {}, "f:name": {}},
        }}}))
    );
    let refused = story.try_apply(
        "b",
        &object(json!({"items": [{"name": "x", "value": 2}]})),
        false,
    );
    assert_eq!(
        conflicts(refused),
        [("\"a\"".into(), ".spec.items[name=\"x\"].value".into())]
    );
    story.apply("b", &object(json!({"items": []})));
    assert_eq!(
        *story.spec(),
        json!({"items": [{"name": "x", "value": 1}, {"name": "y"}]})
    );
}

#[test]
fn defaults_of_keys_count() {
    let mut story = story();
    story.apply(
        "a",
        &object(json!({"ports": [{"port": 80, "name": "http"}]})),
    );
    let udp = json!({"port": 80, "protocol": "UDP", "name": "quic"});
    story.apply("b", &object(json!({"ports": [udp]})));
    assert_eq!(story.spec()["ports"].as_array().map(Vec::len), Some(2));
    let explicit = json!({"port": 80, "protocol": "TCP", "name": "web"});
    let refused = story.try_apply("b", &object(json!({"ports": [explicit]})), false);
    assert_eq!(
        conflicts(refused),
        [(
            "\"a\"".into(),
            ".spec.ports[port=80,protocol=\"TCP\"].name".into()
        )]
    );
}

#[test]
fn atomic_lists_and_maps_have_one_owner() {
    let mut story = story();
    story.apply(
        "a",
        &object(json!({"list": ["x"], "atomicMap": {"k": "v"}})),
    );
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:atomicMap": {}, "f:list": {}}}))
    );
    let wanted = json!({"list": ["x", "y"], "atomicMap": {"l": "w"}});
    let refused = story.try_apply("b", &object(wanted.clone()), false);
    assert_eq!(conflicts(refused).len(), 2);
    story.force("b", &object(wanted.clone()));
    assert_eq!(*story.spec(), wanted);
    assert_eq!(story.entry("a", "Apply"), None);
}

#[test]
fn fields_without_a_schema_are_granular_maps_and_atomic_lists() {
    let mut story = story();
    story.apply(
        "a",
        &object(json!({"free": {"m": {"x": 1}, "l": [{"name": "a"}]}})),
    );
    story.apply("b", &object(json!({"free": {"m": {"y": 2}}})));
    assert_eq!(
        *story.spec(),
        json!({"free": {"m": {"x": 1, "y": 2}, "l": [{"name": "a"}]}})
    );
    let refused = story.try_apply("b", &object(json!({"free": {"l": [{"name": "b"}]}})), false);
    assert_eq!(
        conflicts(refused),
        [("\"a\"".into(), ".spec.free.l".into())]
    );
    story.apply("a", &object(json!({})));
    assert_eq!(*story.spec(), json!({"free": {"m": {"y": 2}}}));
}
