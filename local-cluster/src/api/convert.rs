//! Between the version of a request and the version in the store.
//!
//! Custom resources have conversion strategy `None`: only `apiVersion` differs. Events have two
//! groups over one collection, whose fields have different names.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::resources::{Kind, Resource};

/// Core name and events.k8s.io name of each field that is called differently.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The stored object as clients of `resource` see it.
pub(crate) fn from_stored<'a>(resource: &Resource, stored: &'a Value) -> Cow<'a, Value> {
    let api_version = resource.api_version();
    if api_version == resource.stored_as {
        return Cow::Borrowed(stored);
    }
    let mut out = stored.clone();
    if resource.kind == Kind::Event {
        rename(&mut out, |(core, new)| (core, new));
    }
    out["apiVersion"] = json!(api_version);
    Cow::Owned(out)
}

/// What a client of `resource` wrote, as it is stored.
pub(crate) fn to_stored(resource: &Resource, mut object: Value) -> Value {
    if resource.api_version() == resource.stored_as {
        return object;
    }
    if resource.kind == Kind::Event {
        rename(&mut object, |(core, new)| (new, core));
    }
    object["apiVersion"] = json!(resource.stored_as);
    object
}

fn rename(
    object: &mut Value,
    name: impl Fn(&'static (&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    *map = std::mem::take(map)
        .into_iter()
        .map(|(key, value)| {
            let new = EVENT_FIELDS
                .iter()
                .map(&name)
                .find(|(from, _)| *from == key)
                .map_or(key, |(_, to)| to.to_owned());
            (new, value)
        })
        .collect::<Map<_, _>>();
}

/// `meta.k8s.io/v1` PartialObjectMetadata of an object.
pub(crate) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_names_go_there_and_back() {
        let core = json!({"apiVersion": "v1", "message": "m", "involvedObject": {"name": "p"}, "type": "Normal"});
        let mut there = core.clone();
        rename(&mut there, |(c, n)| (c, n));
        assert_eq!(there["note"], "m");
        assert_eq!(there["regarding"]["name"], "p");
        rename(&mut there, |(c, n)| (n, c));
        assert_eq!(there, core);
    }
}
