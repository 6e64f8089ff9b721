//! The entries of `metadata.managedFields`: who gets one, what is in it, when it changes.

use codex_local_cluster::schema::apply::{is_same, track_update};
use serde_json::json;

use crate::schema_support::{Story, at, builtin, conflicts, object};
use crate::story;

#[test]
fn a_field_that_someone_else_updated_stays_when_the_applier_drops_its_own() {
    let mut story = story();
    story.apply("a", &object(json!({"struct": {"numeric": 1}})));
    let mut edited = story.live().clone();
    edited["spec"]["struct"]["string"] = json!("edited");
    story.update("editor", &edited);
    assert_eq!(
        story.owned("editor", "Update"),
        Some(json!({"f:spec": {"f:struct": {"f:string": {}}}}))
    );
    story.apply("a", &object(json!({})));
    assert_eq!(*story.spec(), json!({"struct": {"string": "edited"}}));
}

#[test]
fn an_update_takes_ownership_of_what_it_changes_and_of_nothing_else() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1, "string": "x"})));
    let mut edited = story.live().clone();
    edited["spec"]["numeric"] = json!(5);
    story.update("editor", &edited);
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:string": {}}}))
    );
    let refused = story.try_apply("a", &object(json!({"numeric": 1, "string": "x"})), false);
    assert_eq!(
        conflicts(refused),
        [(
            "\"editor\" using example.com/v1".into(),
            ".spec.numeric".into()
        )]
    );
    // The value that the editor wrote is no conflict.
    story.apply("a", &object(json!({"numeric": 5, "string": "x"})));
    assert!(story.owned("editor", "Update").is_some());
}

#[test]
fn a_no_op_apply_changes_nothing_at_all() {
    let mut story = story();
    let config = object(json!({"numeric": 1, "items": [{"name": "x"}], "free": {"a": []}}));
    story.apply("a", &config);
    let before = story.live().clone();
    story.apply("a", &config);
    assert_eq!(*story.live(), before);
    story.apply("b", &object(json!({"numeric": 1})));
    let time = |story: &Story, who| story.entry(who, "Apply").map(|entry| entry["time"].clone());
    assert_eq!(time(&story, "a"), Some(json!("2023-11-14T22:13:21Z")));
    // Who only comes to own what was there already changed nothing.
    assert_eq!(time(&story, "b"), Some(json!(null)));
}

#[test]
fn nobody_owns_what_identifies_the_object() {
    let mut story = story();
    let mut config = object(json!({"numeric": 1}));
    config["metadata"]["labels"] = json!({"l": "1"});
    config["metadata"]["finalizers"] = json!(["example.com/f"]);
    story.apply("a", &config);
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({
            "f:metadata": {
                "f:finalizers": {"v:\"example.com/f\"": {}},
                "f:labels": {"f:l": {}},
            },
            "f:spec": {"f:numeric": {}},
        }))
    );
    let mut config = object(json!({"numeric": 1}));
    config["metadata"]["finalizers"] = json!(["example.com/g"]);
    story.apply("b", &config);
    let finalizers = &story.live()["metadata"]["finalizers"];
    assert_eq!(*finalizers, json!(["example.com/f", "example.com/g"]));
}

#[test]
fn updates_by_the_same_manager_are_one_entry_and_other_managers_have_their_own() {
    let mut story = story();
    story.update("a", &object(json!({"numeric": 1})));
    let mut next = story.live().clone();
    next["spec"]["string"] = json!("x");
    story.update("a", &next);
    assert_eq!(
        story.owned("a", "Update"),
        Some(json!({"f:spec": {".": {}, "f:numeric": {}, "f:string": {}}}))
    );
    let time = story.entry("a", "Update").unwrap()["time"].clone();
    // A write that changes nothing leaves the time as it was.
    let same = story.live().clone();
    story.update("a", &same);
    assert_eq!(story.entry("a", "Update").unwrap()["time"], time);
    let mut next = story.live().clone();
    next["spec"]["numeric"] = json!(2);
    story.update("b", &next);
    assert_eq!(
        story.owned("b", "Update"),
        Some(json!({"f:spec": {"f:numeric": {}}}))
    );
    assert_eq!(
        story.owned("a", "Update"),
        Some(json!({"f:spec": {".": {}, "f:string": {}}}))
    );
    let mut next = story.live().clone();
    next["spec"].as_object_mut().unwrap().remove("numeric");
    story.update("c", &next);
    assert_eq!(story.entry("b", "Update"), None);
    assert_eq!(story.entry("c", "Update"), None);
}

#[test]
fn clients_that_do_not_know_managed_fields_do_not_delete_them_but_can_reset_them() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1})));
    story.update("b", &object(json!({"numeric": 1, "string": "x"})));
    assert!(story.entry("a", "Apply").is_some());
    assert_eq!(
        story.owned("b", "Update"),
        Some(json!({"f:spec": {"f:string": {}}}))
    );
    let mut reset = story.live().clone();
    reset["metadata"]["managedFields"] = json!([]);
    story.update("b", &reset);
    assert_eq!(story.live().pointer("/metadata/managedFields"), None);
}

#[test]
fn many_updaters_are_joined_into_ancient_changes() {
    let mut story = story();
    story.update("m00", &object(json!({"free": {"k00": 0}})));
    for n in 1..15 {
        let mut next = story.live().clone();
        next["spec"]["free"][format!("k{n:02}")] = json!(n);
        story.update(&format!("m{n:02}"), &next);
    }
    let list = story.live()["metadata"]["managedFields"]
        .as_array()
        .unwrap();
    assert_eq!(list.len(), 10);
    let ancient = story.owned("ancient-changes", "Update").unwrap();
    assert_eq!(ancient["f:spec"]["f:free"]["f:k00"], json!({}));
    assert_eq!(ancient["f:spec"]["f:free"]["f:k05"], json!({}));
    assert!(story.entry("m14", "Update").is_some());
}

#[test]
fn times_alone_do_not_make_an_object_different() {
    let schema = builtin("", "ConfigMap");
    let made = |second, value: &str| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": value},
        });
        track_update(Some(&schema), None, &mut object, "m", None, at(second));
        object
    };
    assert_ne!(made(1, "a"), made(2, "a"));
    assert!(is_same(&made(1, "a"), &made(2, "a")));
    assert!(!is_same(&made(1, "a"), &made(1, "b")));
}
