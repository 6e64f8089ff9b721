//! Takes out of an answer what differs between two servers by nature: times, ages, uids, versions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

/// Fields whose values only say when something was, or which object it was.
const UNLIKE: &[&str] = &[
    "uid",
    "resourceVersion",
    "continue",
    "creationTimestamp",
    "deletionTimestamp",
    "time",
    "lastTransitionTime",
    "lastUpdateTime",
];

static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("it is valid")
});
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
        .expect("it is valid")
});
static AGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(\d+d)?(\d+h)?(\d+m)?\d+s\b").expect("it is valid"));
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("(?i)(resource ?version\"?: *\"?)\\d+").expect("it is valid"));
/// Up to the sentence: who refused, why, and the field of a list of them.
static ERROR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(Error from server( \(\w+\))?|error when [^:]*: \w+|The \w+ "[^"]*" is invalid:( [\w.\[\]]+)?|\* [\w.\[\]<>]+|Warning)"#)
        .expect("it is valid")
});
static SPACES: LazyLock<Regex> = LazyLock::new(|| Regex::new("[ \t]+").expect("it is valid"));

/// The same value with stars for all that, and its fields in order. A field that is there stays there.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.get("kind") == Some(&json!("Status")) => status(fields),
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            sorted
                .into_iter()
                // The end of a list is said by an empty word, or by none.
                .filter(|(name, value)| *name != "continue" || value.as_str() != Some(""))
                .map(|(name, value)| match name.as_str() {
                    "metadata" if !has_known_owners(fields) => {
                        (name.clone(), without(value, &["managedFields"]))
                    }
                    _ => (name.clone(), normal_field(name, value)),
                })
                .collect()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::String(text) => normal_text(text).into(),
        other => other.clone(),
    }
}

fn normal_field(name: &str, value: &Value) -> Value {
    match (name, value) {
        (_, Value::String(text)) if UNLIKE.contains(&name) && !text.is_empty() => "*".into(),
        // Sentences about a column, which nobody shows.
        ("columnDefinitions", Value::Array(columns)) => columns
            .iter()
            .map(|column| without(column, &["description"]))
            .collect(),
        // Which kind the items are, the list says; the local cluster repeats it.
        ("items", Value::Array(items)) => items
            .iter()
            .map(|item| match item["apiVersion"].as_str() {
                Some(version) if version.starts_with("codexrunner.io/") => normal(item),
                _ => {
                    let item = without(item, &["kind", "apiVersion"]);
                    let mut item = normal(&item);
                    if let Some(metadata) = item["metadata"].as_object_mut() {
                        metadata.remove("managedFields");
                    }
                    item
                }
            })
            .collect(),
        // The order is that in which the server happened to learn of them.
        ("resources", Value::Array(resources)) => {
            let mut resources: Vec<_> = resources.iter().map(normal).collect();
            resources.sort_by_key(|resource| resource["name"].to_string());
            resources.into()
        }
        _ => normal(value),
    }
}

/// Whether both servers have to agree on `managedFields`: who owns what the defaults and the admission of Kubernetes' own kinds fill in is
/// not the local cluster's to know.
fn has_known_owners(object: &Map<String, Value>) -> bool {
    let word = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    word("apiVersion").starts_with("codexrunner.io/") || word("kind") == "ConfigMap"
}

/// What programs read of an error: code, reason, what it is about, and which fields are wrong. The sentences are Kubernetes' own, and change
/// from version to version.
fn status(fields: &Map<String, Value>) -> Value {
    let mut status = without(&Value::Object(fields.clone()), &["message"]);
    if let Some(causes) = status["details"]["causes"].as_array() {
        let mut causes: Vec<_> = causes
            .iter()
            .map(|cause| without(cause, &["message"]))
            .collect();
        causes.sort_by_key(Value::to_string);
        status["details"]["causes"] = causes.into();
    }
    if status["details"].is_null() || status["details"] == json!({}) {
        status = without(&status, &["details"]);
    }
    status
}

/// A normal copy without some fields.
fn without(value: &Value, names: &[&str]) -> Value {
    let sorted: BTreeMap<_, _> = value.as_object().into_iter().flatten().collect();
    sorted
        .into_iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), normal_field(name, value)))
        .collect()
}

/// What kubectl says of an error, without the sentence.
pub(super) fn normal_error(text: &str) -> String {
    let mut kept: Vec<String> = text
        .lines()
        .map(|line| {
            let line = normal_text(line);
            ERROR
                .find(&line)
                .map_or_else(|| line.clone(), |start| start.as_str().to_owned())
        })
        .collect();
    kept.sort();
    kept.join("\n")
}

/// The same text with stars, and one space where columns were.
pub(super) fn normal_text(text: &str) -> String {
    let text = UID.replace_all(text, "<uid>");
    let text = TIME.replace_all(&text, "<time>");
    let text = AGE.replace_all(&text, "<age>");
    let text = VERSION.replace_all(&text, "${1}<version>");
    SPACES
        .replace_all(&text, " ")
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The lines of two values that are not in both, in order.
pub(super) fn difference(real: &Value, local: &Value) -> String {
    let (real, local) = (pretty(real), pretty(local));
    let (real, local): (Vec<_>, Vec<_>) = (real.lines().collect(), local.lines().collect());
    let same_start = real.iter().zip(&local).take_while(|(a, b)| a == b).count();
    let rest = real.len().min(local.len()) - same_start;
    let same_end = real
        .iter()
        .rev()
        .zip(local.iter().rev())
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    let context = same_start.saturating_sub(3);
    let mut text = String::new();
    for line in &real[context..same_start] {
        text.push_str(&format!("  {line}\n"));
    }
    for line in &real[same_start..real.len() - same_end] {
        text.push_str(&format!("- {line}\n"));
    }
    for line in &local[same_start..local.len() - same_end] {
        text.push_str(&format!("+ {line}\n"));
    }
    text
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    // Long texts are read line by line, too.
    text.replace("\\n", "\n    ")
}
