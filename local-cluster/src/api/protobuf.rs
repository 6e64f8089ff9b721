//! Request bodies in protobuf, for the kinds that kubectl sends so (`kubectl create namespace`,
//! `auth can-i`, `drain` ...). Answers are always JSON, which those clients accept.
//!
//! The tables below hold the field numbers of upstream's `generated.proto` files. Fields that are
//! not in them are skipped, as protobuf decoders do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::object::time;

/// What stands before each object: "k8s" and a zero byte.
const MAGIC: &[u8] = b"k8s\0";
/// Messages nest a handful of levels; more is no object of ours.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// As base64.
    Bytes,
    Bool,
    Int,
    /// `metav1.Time`.
    Time,
    Message(&'static [Field]),
    TextMap,
    BytesMap,
}

struct Field {
    number: u64,
    name: &'static str,
    kind: Kind,
    repeated: bool,
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: false,
    }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        repeated: true,
    }
}

const OWNER: &[Field] = &[
    one(1, "kind", Kind::Text),
    one(3, "name", Kind::Text),
    one(4, "uid", Kind::Text),
    one(5, "apiVersion", Kind::Text),
    one(6, "controller", Kind::Bool),
    one(7, "blockOwnerDeletion", Kind::Bool),
];
const META: &[Field] = &[
    one(1, "name", Kind::Text),
    one(2, "generateName", Kind::Text),
    one(3, "namespace", Kind::Text),
    one(5, "uid", Kind::Text),
    one(6, "resourceVersion", Kind::Text),
    one(7, "generation", Kind::Int),
    one(8, "creationTimestamp", Kind::Time),
    one(9, "deletionTimestamp", Kind::Time),
    one(10, "deletionGracePeriodSeconds", Kind::Int),
    one(11, "labels", Kind::TextMap),
    one(12, "annotations", Kind::TextMap),
    many(13, "ownerReferences", Kind::Message(OWNER)),
    many(14, "finalizers", Kind::Text),
];
const METADATA: Field = one(1, "metadata", Kind::Message(META));
const NAMESPACE: &[Field] = &[METADATA];
const CONFIG_MAP: &[Field] = &[
    METADATA,
    one(2, "data", Kind::TextMap),
    one(3, "binaryData", Kind::BytesMap),
    one(4, "immutable", Kind::Bool),
];
const SECRET: &[Field] = &[
    METADATA,
    one(2, "data", Kind::BytesMap),
    one(3, "type", Kind::Text),
    one(4, "stringData", Kind::TextMap),
    one(5, "immutable", Kind::Bool),
];
const SERVICE_ACCOUNT: &[Field] = &[
    METADATA,
    many(
        3,
        "imagePullSecrets",
        Kind::Message(&[one(1, "name", Kind::Text)]),
    ),
    one(4, "automountServiceAccountToken", Kind::Bool),
];
const RESOURCE_ATTRIBUTES: &[Field] = &[
    one(1, "namespace", Kind::Text),
    one(2, "verb", Kind::Text),
    one(3, "group", Kind::Text),
    one(4, "version", Kind::Text),
    one(5, "resource", Kind::Text),
    one(6, "subresource", Kind::Text),
    one(7, "name", Kind::Text),
];
const PATH_ATTRIBUTES: &[Field] = &[one(1, "path", Kind::Text), one(2, "verb", Kind::Text)];
const ACCESS_SPEC: &[Field] = &[
    one(1, "resourceAttributes", Kind::Message(RESOURCE_ATTRIBUTES)),
    one(2, "nonResourceAttributes", Kind::Message(PATH_ATTRIBUTES)),
];
const ACCESS_REVIEW: &[Field] = &[METADATA, one(2, "spec", Kind::Message(ACCESS_SPEC))];
const RULES_REVIEW: &[Field] = &[
    METADATA,
    one(2, "spec", Kind::Message(&[one(1, "namespace", Kind::Text)])),
];
const DELETE_OPTIONS: &[Field] = &[
    one(1, "gracePeriodSeconds", Kind::Int),
    one(
        2,
        "preconditions",
        Kind::Message(&[
            one(1, "uid", Kind::Text),
            one(2, "resourceVersion", Kind::Text),
        ]),
    ),
    one(3, "orphanDependents", Kind::Bool),
    one(4, "propagationPolicy", Kind::Text),
    many(5, "dryRun", Kind::Text),
];
const EVICTION: &[Field] = &[
    METADATA,
    one(2, "deleteOptions", Kind::Message(DELETE_OPTIONS)),
];

fn fields_of(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => &[METADATA],
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        _ => return None,
    })
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// The kind is not in the tables: the client has to send JSON.
    UnknownKind(String),
    /// The bytes are not what they should be.
    Malformed,
}

/// Reads an object with its envelope.
pub(crate) fn decode(body: &[u8]) -> Result<Value, DecodeError> {
    let malformed = || DecodeError::Malformed;
    let envelope = body.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for (number, value) in entries(envelope).ok_or_else(malformed)? {
        match (number, value) {
            (1, Wire::Bytes(meta)) => {
                for (number, value) in entries(meta).ok_or_else(malformed)? {
                    match (number, value) {
                        (1, Wire::Bytes(v)) => api_version = text(v).ok_or_else(malformed)?,
                        (2, Wire::Bytes(v)) => kind = text(v).ok_or_else(malformed)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(v)) => raw = v,
            _ => {}
        }
    }
    let fields = fields_of(&kind).ok_or_else(|| DecodeError::UnknownKind(kind.clone()))?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), json!(api_version));
    object.insert("kind".into(), json!(kind));
    object.extend(message(raw, fields, MAX_DEPTH).ok_or_else(malformed)?);
    Ok(Value::Object(object))
}

enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(taken)
}

/// The fields of a message in their order.
fn entries(mut input: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        let key = varint(&mut input)?;
        let value = match key & 7 {
            0 => Wire::Varint(varint(&mut input)?),
            1 => take(&mut input, 8).map(|_| Wire::Fixed)?,
            2 => {
                let len = usize::try_from(varint(&mut input)?).ok()?;
                Wire::Bytes(take(&mut input, len)?)
            }
            5 => take(&mut input, 4).map(|_| Wire::Fixed)?,
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn message(input: &[u8], fields: &[Field], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut out = Map::new();
    for (number, wire) in entries(input)? {
        let Some(field) = fields.iter().find(|f| f.number == number) else {
            continue;
        };
        let Some(value) = decode_value(wire, field.kind, depth)? else {
            continue;
        };
        match (value, out.get_mut(field.name)) {
            // Each entry of a map is a message of its own.
            (Value::Object(entry), Some(Value::Object(map)))
                if matches!(field.kind, Kind::TextMap | Kind::BytesMap) =>
            {
                map.extend(entry);
            }
            (value, Some(Value::Array(list))) if field.repeated => list.push(value),
            (value, _) => {
                let value = if field.repeated {
                    json!([value])
                } else {
                    value
                };
                out.insert(field.name.to_owned(), value);
            }
        }
    }
    Some(out)
}

/// A value; inside nothing when it is the empty value that Go writes for absent fields.
#[expect(clippy::option_option, reason = "malformed and absent are different")]
fn decode_value(wire: Wire<'_>, kind: Kind, depth: usize) -> Option<Option<Value>> {
    Some(match (kind, wire) {
        (Kind::Text, Wire::Bytes(v)) => Some(text(v)?).filter(|t| !t.is_empty()).map(Value::from),
        (Kind::Bytes, Wire::Bytes(v)) => Some(json!(STANDARD.encode(v))),
        (Kind::Bool, Wire::Varint(v)) => Some(json!(v != 0)),
        // Negative numbers are sent in two's complement.
        (Kind::Int, Wire::Varint(v)) => Some(json!(v.cast_signed())),
        (Kind::Time, Wire::Bytes(v)) => moment(v)?,
        (Kind::Message(fields), Wire::Bytes(v)) => Some(Value::Object(message(v, fields, depth)?)),
        (Kind::TextMap, Wire::Bytes(v)) => Some(map_entry(v, Kind::Text)?),
        (Kind::BytesMap, Wire::Bytes(v)) => Some(map_entry(v, Kind::Bytes)?),
        _ => return None,
    })
}

#[expect(clippy::option_option, reason = "malformed and absent are different")]
fn moment(input: &[u8]) -> Option<Option<Value>> {
    let seconds = entries(input)?
        .into_iter()
        .find_map(|(n, wire)| match wire {
            Wire::Varint(v) if n == 1 => Some(v.cast_signed()),
            _ => None,
        });
    match seconds {
        None | Some(0) => Some(None),
        Some(s) => Some(Some(json!(time(Timestamp::from_second(s).ok()?)))),
    }
}

fn map_entry(input: &[u8], kind: Kind) -> Option<Value> {
    let (mut key, mut value) = (String::new(), json!(""));
    for (number, wire) in entries(input)? {
        match (number, wire) {
            (1, Wire::Bytes(v)) => key = text(v)?,
            (2, wire) => value = decode_value(wire, kind, 1)?.unwrap_or_else(|| json!("")),
            _ => {}
        }
    }
    let mut map = Map::new();
    map.insert(key, value);
    Some(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(payload.len()).unwrap()];
        out.extend_from_slice(payload);
        out
    }

    fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    #[test]
    fn a_config_map_is_read() {
        let labels = field(11, &[field(1, b"a"), field(2, b"b")].concat());
        let meta = [field(1, b"m"), field(2, b""), field(8, b""), labels].concat();
        let data = |k: &[u8], v: &[u8]| field(2, &[field(1, k), field(2, v)].concat());
        let raw = [
            field(1, &meta),
            data(b"x", b"1"),
            data(b"y", b"2"),
            vec![4 << 3, 1],
        ]
        .concat();
        assert_eq!(
            decode(&envelope("ConfigMap", &raw)).unwrap(),
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "m", "labels": {"a": "b"}},
                "data": {"x": "1", "y": "2"},
                "immutable": true,
            })
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(decode(b"{}"), Err(DecodeError::Malformed));
        assert_eq!(
            decode(&envelope("ConfigMap", &[0x0a, 0xff])),
            Err(DecodeError::Malformed)
        );
        assert_eq!(
            decode(&envelope("Pod", &[])),
            Err(DecodeError::UnknownKind("Pod".into()))
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = decode(&[MAGIC, &bytes].concat());
            let _ = message(&bytes, SECRET, MAX_DEPTH);
        }
    }
}
