//! Who owns which field, what two appliers may not both want, and what cannot be applied.

use codex_local_cluster::schema::apply::ApplyError;
use serde_json::{Value, json};

use crate::schema_support::{Story, conflicts, object, widget};
use crate::story;

#[test]
fn two_appliers_of_different_fields_do_not_conflict() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1})));
    story.apply("b", &object(json!({"string": "x"})));
    assert_eq!(*story.spec(), json!({"numeric": 1, "string": "x"}));
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:numeric": {}}}))
    );
    assert_eq!(
        story.owned("b", "Apply"),
        Some(json!({"f:spec": {"f:string": {}}}))
    );
}

#[test]
fn another_value_conflicts_and_force_takes_over() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1, "string": "x"})));
    let refused = story.try_apply("b", &object(json!({"numeric": 2})), false);
    let text = refused.as_ref().unwrap_err().to_string();
    assert_eq!(
        text,
        "Apply failed with 1 conflict: conflict with \"a\": .spec.numeric"
    );
    assert_eq!(
        conflicts(refused),
        [("\"a\"".into(), ".spec.numeric".into())]
    );
    story.force("b", &object(json!({"numeric": 2})));
    assert_eq!(*story.spec(), json!({"numeric": 2, "string": "x"}));
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:string": {}}}))
    );
    assert_eq!(
        story.owned("b", "Apply"),
        Some(json!({"f:spec": {"f:numeric": {}}}))
    );
}

#[test]
fn the_same_value_is_shared_and_stays_until_the_last_owner_goes() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1})));
    story.apply("b", &object(json!({"numeric": 1})));
    assert!(story.owned("a", "Apply").is_some() && story.owned("b", "Apply").is_some());
    story.apply("a", &object(json!({})));
    assert_eq!(*story.spec(), json!({"numeric": 1}));
    // An empty map is applied, and so owned.
    assert_eq!(story.owned("a", "Apply"), Some(json!({"f:spec": {}})));
    story.apply("b", &object(json!({})));
    assert_eq!(story.spec().get("numeric"), None);
}

#[test]
fn a_field_that_is_not_applied_any_more_goes_with_what_is_in_it() {
    let mut story = story();
    let first = json!({"struct": {"numeric": 1, "string": "x"}, "map": {"a": "1", "b": "2"}});
    story.apply("a", &object(first));
    story.apply(
        "a",
        &object(json!({"struct": {"numeric": 1}, "map": {"b": "2"}})),
    );
    assert_eq!(
        *story.spec(),
        json!({"struct": {"numeric": 1}, "map": {"b": "2"}})
    );
    story.apply("a", &object(json!({"bool": true})));
    assert_eq!(*story.spec(), json!({"bool": true}));
}

#[test]
fn a_map_or_list_that_lost_its_content_leaves_no_null() {
    let mut story = story();
    let items = json!([{"name": "x", "value": 1, "tags": ["t"]}]);
    story.apply(
        "a",
        &object(json!({"items": items, "map": {"k": "v"}, "free": {"n": {"k": 1}}})),
    );
    let mut edited = story.live().clone();
    edited["spec"]["items"][0]["other"] = json!("o");
    story.update("editor", &edited);
    story.apply("a", &object(json!({"items": [{"name": "x"}], "map": {}})));
    let items = json!([{"name": "x", "other": "o"}]);
    assert_eq!(*story.spec(), json!({"items": items, "map": {}}));
}

#[test]
fn null_is_applied_as_a_value() {
    let schema = widget(json!({"type": "object", "properties": {
        "a": {"type": "string", "nullable": true}, "b": {"type": "string"},
    }}));
    let mut story = Story::new(schema);
    story.apply("a", &object(json!({"a": "x", "b": "y"})));
    story.apply("a", &object(json!({"a": null})));
    assert_eq!(*story.spec(), json!({"a": null}));
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let mut story = story();
    story.apply("a", &object(json!({"numeric": 1, "set": ["x"]})));
    story.apply("b", &object(json!({"string": "x", "bool": true})));
    let wanted = json!({"numeric": 2, "string": "y", "bool": false});
    let refused = story.try_apply("c", &object(wanted), false).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.numeric\n\
         conflicts with \"b\":\n- .spec.bool\n- .spec.string"
    );
}

#[test]
fn an_object_from_before_the_first_apply_can_conflict() {
    let mut story = story();
    // Made without managedFields, as by a server that does not track.
    story.live = Some(object(json!({"numeric": 1, "string": "x"})));
    let refused = story.try_apply("a", &object(json!({"numeric": 2})), false);
    assert_eq!(
        conflicts(refused),
        [(
            "\"before-first-apply\" using example.com/v1".into(),
            ".spec.numeric".into()
        )]
    );
    story.force("a", &object(json!({"numeric": 2})));
    assert_eq!(
        story.owned("before-first-apply", "Update"),
        Some(json!({"f:spec": {".": {}, "f:string": {}}}))
    );
}

#[test]
fn status_and_the_rest_have_entries_of_their_own() {
    let mut story = story();
    let config = |status: Value| {
        let mut object = object(json!({"numeric": 1}));
        object["status"] = status;
        object
    };
    story.apply("a", &config(json!({"ignored": true})));
    assert_eq!(story.live().get("status"), None);
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:numeric": {}}}))
    );
    let mut other = config(json!({"phase": "Running"}));
    other["spec"]["numeric"] = json!(9);
    story
        .try_apply_to("a", &other, false, Some("status"))
        .unwrap();
    assert_eq!(story.live()["status"], json!({"phase": "Running"}));
    assert_eq!(*story.spec(), json!({"numeric": 1}));
    assert_eq!(
        story.owned("a/status", "Apply"),
        Some(json!({"f:status": {"f:phase": {}}}))
    );
    let refused = story.try_apply_to(
        "b",
        &config(json!({"phase": "Done"})),
        false,
        Some("status"),
    );
    assert_eq!(
        conflicts(refused),
        [(
            "\"a\" with subresource \"status\"".into(),
            ".status.phase".into()
        )]
    );
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let mut story = story();
    for (config, want) in [
        (
            object(json!({"unknown": 1})),
            ".spec.unknown: field not declared in schema",
        ),
        (
            object(json!({"items": [{"value": 1}]})),
            "omits key field \"name\"",
        ),
        (
            object(json!({"items": [{"name": "x"}, {"name": "x"}]})),
            ".spec.items: duplicate entries for key [name=\"x\"]",
        ),
        (
            object(json!({"set": ["x", "x"]})),
            "duplicate entries for key [=\"x\"]",
        ),
        (
            object(json!({"struct": "text"})),
            ".spec.struct: expected map, got \"text\"",
        ),
    ] {
        let error = story.try_apply("a", &config, true).unwrap_err();
        assert!(
            matches!(&error, ApplyError::NotTyped(text) if text.contains(want)),
            "{error}"
        );
    }
    let mut config = object(json!({}));
    config["metadata"]["managedFields"] = json!([]);
    let error = story.try_apply("a", &config, false).unwrap_err();
    assert_eq!(
        error,
        ApplyError::BadRequest("metadata.managedFields must be nil".into())
    );
    story.apply("a", &object(json!({"numeric": 1})));
    let mut config = object(json!({}));
    config["kind"] = json!("Gadget");
    assert!(matches!(
        story.try_apply("a", &config, false),
        Err(ApplyError::BadRequest(_))
    ));
}
