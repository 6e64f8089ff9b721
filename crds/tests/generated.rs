//! The checked-in YAML is what the types say.

#[test]
fn checked_in_definitions_are_up_to_date() {
    let mut wanted = String::new();
    for definition in codex_crds::definitions() {
        wanted.push_str("---\n");
        wanted.push_str(&serde_norway::to_string(&definition).unwrap());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/generated/crds.yaml");
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "crds/generated/crds.yaml is stale; run `make generate`"
    );
}

#[test]
fn schemas_hold_bounds_rules_and_columns() {
    let definitions = codex_crds::definitions();
    let task = serde_json::to_value(&definitions[1]).unwrap();
    let version = &task["spec"]["versions"][0];
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
    assert_eq!(
        spec["x-kubernetes-validations"].as_array().unwrap().len(),
        2
    );
    assert_eq!(spec["properties"]["prompt"]["maxLength"], 262_144);
    assert_eq!(spec["properties"]["env"]["maxProperties"], 64);
    assert_eq!(spec["properties"]["cancel"]["default"], false);
    assert_eq!(version["selectableFields"].as_array().unwrap().len(), 2);
    let conditions =
        &version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    let columns: Vec<_> = version["additionalPrinterColumns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    for name in ["Phase", "Repository", "User", "Age", "Duration", "Exit"] {
        assert!(columns.contains(&name), "{name} is missing in {columns:?}");
    }
}
