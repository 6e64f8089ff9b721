//! JSON patch, JSON merge patch and strategic merge patch.

mod strategic;

use serde_json::{Map, Value};

use super::Schema;

/// Why a patch could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not of the right form: 400 BadRequest.
    #[error("{0}")]
    Malformed(String),
    /// The patch is well formed but does not fit the object, or a `test` failed: 422 Invalid.
    #[error("{0}")]
    Unprocessable(String),
}

/// Operations that one JSON patch may have, as upstream limits them.
const MAX_OPERATIONS: usize = 10_000;

/// Applies an RFC 6902 patch.
///
/// # Errors
/// When the patch is malformed or does not fit the object.
pub fn json_patch(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = patch.as_array().map_or(0, Vec::len);
    if operations > MAX_OPERATIONS {
        let text = format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {operations}"
        );
        return Err(PatchError::Unprocessable(text));
    }
    let patch: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| PatchError::Malformed(format!("error decoding patch: {error}")))?;
    let mut out = doc.clone();
    json_patch::patch(&mut out, &patch).map_err(|error| {
        let text =
            format!("the server rejected our request due to an error in our request: {error}");
        PatchError::Unprocessable(text)
    })?;
    Ok(out)
}

/// Applies an RFC 7386 merge patch.
pub fn merge_patch(doc: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut out = match doc {
        Value::Object(doc) => doc.clone(),
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            // Not `swap_remove`: the order of the other keys stays.
            out.shift_remove(key);
        } else {
            let merged = merge_patch(out.get(key).unwrap_or(&Value::Null), value);
            out.insert(key.clone(), merged);
        }
    }
    Value::Object(out)
}

/// Applies a strategic merge patch of a built-in kind.
///
/// Lists are merged by the keys of the schema; the directives `$patch`, `$retainKeys`,
/// `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>` are understood.
///
/// # Errors
/// When the patch is malformed, or lists of it have no merge keys.
pub fn strategic_merge(schema: &Schema, doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (Value::Object(doc), Value::Object(patch)) = (doc, patch) else {
        let text = "a strategic merge patch must be a JSON object";
        return Err(PatchError::Malformed(text.into()));
    };
    let merged = strategic::merge_map(strategic::Lens::new(schema), doc.clone(), patch.clone())?;
    Ok(Value::Object(merged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The examples of RFC 7386, appendix A.
    #[test]
    fn merge_patches_of_the_rfc() {
        for (doc, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            assert_eq!(merge_patch(&doc, &patch), want, "{doc} + {patch}");
        }
    }

    #[test]
    fn json_patches_apply_or_say_why_not() {
        let doc = json!({"spec": {"list": [1, 2]}});
        let patch = json!([
            {"op": "test", "path": "/spec/list/0", "value": 1},
            {"op": "add", "path": "/spec/list/-", "value": 3},
            {"op": "remove", "path": "/spec/list/0"},
        ]);
        assert_eq!(
            json_patch(&doc, &patch),
            Ok(json!({"spec": {"list": [2, 3]}}))
        );
        let failing = json!([{"op": "test", "path": "/spec/list/0", "value": 9}]);
        assert!(matches!(
            json_patch(&doc, &failing),
            Err(PatchError::Unprocessable(_))
        ));
        let missing = json!([{"op": "remove", "path": "/spec/other"}]);
        assert!(matches!(
            json_patch(&doc, &missing),
            Err(PatchError::Unprocessable(_))
        ));
        let unknown = json!([{"op": "frobnicate", "path": "/spec"}]);
        assert!(matches!(
            json_patch(&doc, &unknown),
            Err(PatchError::Malformed(_))
        ));
    }
}
