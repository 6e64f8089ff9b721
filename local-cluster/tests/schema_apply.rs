//! Server-side apply: the behaviour of structured-merge-diff and of the field manager, case by
//! case.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may panic, and reads best with its values in place"
)]

mod schema_support;

use codex_local_cluster::schema::apply::{ApplyError, ApplyRequest, apply, is_same, track_update};
use schema_support::{Story, at, builtin, conflicts, object, widget};
use serde_json::{Value, json};

/// A spec with every kind of list and map.
fn story() -> Story {
    Story::new(widget(json!({"type": "object", "properties": {
        "numeric": {"type": "integer"},
        "string": {"type": "string"},
        "bool": {"type": "boolean"},
        "struct": {"type": "object", "properties": {
            "numeric": {"type": "integer"}, "string": {"type": "string"},
        }},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "atomicMap": {
            "type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"},
        },
        "list": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"},
                "value": {"type": "integer"},
                "other": {"type": "string"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            }},
        },
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "required": ["port"], "properties": {
                "port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string"},
            }},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})))
}

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
    assert_eq!(time(&story, "b"), Some(json!("2023-11-14T22:13:23Z")));
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
            matches!(&error, ApplyError::BadRequest(text) if text.contains(want)),
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
fn kubectl_upgrades_from_client_side_apply_without_conflict() {
    let mut story = Story::new(builtin("", "ConfigMap"));
    let config = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "default"},
            "data": {"k": value},
        })
    };
    let mut created = config("1");
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    created["metadata"]["annotations"] = json!({annotation: format!("{}\n", config("1"))});
    story.update("kubectl-client-side-apply", &created);
    let refused = story.try_apply("other", &config("2"), false);
    assert_eq!(
        conflicts(refused),
        [(
            "\"kubectl-client-side-apply\" using v1".into(),
            ".data.k".into()
        )]
    );
    story.apply("kubectl", &config("2"));
    assert_eq!(story.live()["data"], json!({"k": "2"}));
    let last = story.live()["metadata"]["annotations"][annotation]
        .as_str()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap(), config("2"));
}

#[test]
fn pods_are_merged_by_the_schemas_of_kubernetes() {
    let mut story = Story::new(builtin("", "Pod"));
    let pod = |containers: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": containers},
        })
    };
    let env = json!([{"name": "A", "value": "1"}]);
    story.apply(
        "a",
        &pod(json!([{"name": "main", "image": "i", "env": env}])),
    );
    let side = json!([{"name": "main", "env": [{"name": "B", "value": "2"}]}]);
    story.apply("b", &pod(side));
    assert_eq!(
        story.spec()["containers"],
        json!([{"name": "main", "image": "i", "env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "2"},
        ]}])
    );
    assert_eq!(
        story.owned("b", "Apply"),
        Some(
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
                ".": {},
                "f:env": {"k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}}},
                "f:name": {},
            }}}})
        )
    );
    let args = json!([{"name": "main", "args": ["x"]}]);
    story.apply("c", &pod(args));
    let refused = story.try_apply(
        "a",
        &pod(json!([{"name": "main", "image": "i", "args": []}])),
        false,
    );
    assert_eq!(
        conflicts(refused),
        [(
            "\"c\"".into(),
            ".spec.containers[name=\"main\"].args".into()
        )]
    );
}

#[test]
fn a_list_that_became_atomic_keeps_its_owner() {
    let of = |kind: &str| {
        widget(json!({"type": "object", "properties": {"l": {
            "type": "array", "x-kubernetes-list-type": kind, "items": {"type": "string"},
        }}}))
    };
    let mut story = Story::new(of("set"));
    story.apply("a", &object(json!({"l": ["x"]})));
    story.schema = of("atomic");
    story.apply("a", &object(json!({"l": ["y"]})));
    assert_eq!(*story.spec(), json!({"l": ["y"]}));
    assert_eq!(
        story.owned("a", "Apply"),
        Some(json!({"f:spec": {"f:l": {}}}))
    );
}

#[test]
fn without_any_schema_lists_are_atomic() {
    let request = |manager| ApplyRequest {
        manager,
        force: false,
        subresource: None,
        now: at(0),
    };
    let live = apply(
        None,
        None,
        &object(json!({"l": [1], "m": {"a": 1}})),
        &request("a"),
    )
    .unwrap();
    let merged = apply(
        None,
        Some(&live),
        &object(json!({"m": {"b": 2}})),
        &request("b"),
    )
    .unwrap();
    assert_eq!(merged["spec"], json!({"l": [1], "m": {"a": 1, "b": 2}}));
    let clash = apply(None, Some(&live), &object(json!({"l": [2]})), &request("b"));
    assert!(matches!(clash, Err(ApplyError::Conflicts(list)) if list[0].field == ".spec.l"));
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
