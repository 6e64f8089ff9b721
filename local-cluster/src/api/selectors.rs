//! Label and field selectors.

use serde_json::Value;

use super::error::ApiError;
use super::object;
use super::request::ListOptions;
use super::resources::{Kind, Resource};

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelTerm {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTerm {
    pointer: String,
    value: String,
    negated: bool,
}

/// What a list or watch is limited to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<LabelTerm>,
    fields: Vec<FieldTerm>,
    kind: Option<Kind>,
}

impl Selector {
    pub(crate) fn parse(resource: &Resource, options: &ListOptions) -> Result<Self, ApiError> {
        Ok(Self {
            labels: options
                .label_selector
                .as_deref()
                .map(parse_labels)
                .transpose()?
                .unwrap_or_default(),
            fields: options
                .field_selector
                .as_deref()
                .map(|s| parse_fields(resource, s))
                .transpose()?
                .unwrap_or_default(),
            kind: Some(resource.kind),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The name that the selector is about, if it is about one: such lists need no scan.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|f| f.pointer == "/metadata/name" && !f.negated)
            .map(|f| f.value.as_str())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.fields.iter().all(|f| f.matches(object, self.kind))
            && (self.labels.is_empty() || self.matches_labels(object))
    }

    fn matches_labels(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let get = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|term| match term {
            LabelTerm::In(key, values) => get(key).is_some_and(|v| values.iter().any(|x| x == v)),
            LabelTerm::NotIn(key, values) => get(key).is_none_or(|v| values.iter().all(|x| x != v)),
            LabelTerm::Exists(key) => get(key).is_some(),
            LabelTerm::Absent(key) => get(key).is_none(),
        })
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value, kind: Option<Kind>) -> bool {
        let found = match object.pointer(&self.pointer) {
            Some(Value::String(s)) => s.clone(),
            Some(Value::Bool(b)) => b.to_string(),
            Some(Value::Number(n)) => n.to_string(),
            _ => default_of(kind, &self.pointer).to_owned(),
        };
        (found == self.value) != self.negated
    }
}

/// Fields that upstream renders although they are not set.
fn default_of(kind: Option<Kind>, pointer: &str) -> &'static str {
    match (kind, pointer) {
        (Some(Kind::Pod), "/spec/hostNetwork") | (Some(Kind::Node), "/spec/unschedulable") => {
            "false"
        }
        _ => "",
    }
}

fn parse_fields(resource: &Resource, selector: &str) -> Result<Vec<FieldTerm>, ApiError> {
    let mut terms = Vec::new();
    for part in split_escaped(selector)
        .iter()
        .filter(|p| !p.trim().is_empty())
    {
        let invalid = || {
            ApiError::BadRequest(format!(
                "invalid field selector: {part:?}; can't understand it: want key=value, key==value or key!=value"
            ))
        };
        let at = part.find(['=', '!']).ok_or_else(invalid)?;
        let (key, rest) = part.split_at(at);
        let (value, negated) = if let Some(v) = rest.strip_prefix("!=") {
            (v, true)
        } else if let Some(v) = rest.strip_prefix("==") {
            (v, false)
        } else {
            (rest.strip_prefix('=').ok_or_else(invalid)?, false)
        };
        let key = key.trim();
        let known = matches!(key, "metadata.name")
            || (key == "metadata.namespace" && resource.namespaced)
            || resource.selectable.iter().any(|f| f == key);
        if !known {
            return Err(ApiError::BadRequest(format!(
                "field label not supported: {key}"
            )));
        }
        terms.push(FieldTerm {
            pointer: pointer_of(resource, key),
            value: unescape(value),
            negated,
        });
    }
    Ok(terms)
}

/// Where the field is in the stored object. Events are stored in the core version.
fn pointer_of(resource: &Resource, key: &str) -> String {
    let key = if resource.kind == Kind::Event {
        match key {
            "reportingController" => "reportingComponent".to_owned(),
            "source" => "source.component".to_owned(),
            other => other.replacen("regarding.", "involvedObject.", 1),
        }
    } else {
        key.to_owned()
    };
    format!("/{}", key.replace('.', "/"))
}

fn split_escaped(selector: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = selector.chars();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            ',' => parts.push(String::new()),
            '\\' => {
                parts[last].push('\\');
                parts[last].extend(chars.next());
            }
            c => parts[last].push(c),
        }
    }
    parts
}

fn unescape(value: &str) -> String {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            out.extend(chars.next());
        } else {
            out.push(c);
        }
    }
    out
}

fn parse_labels(selector: &str) -> Result<Vec<LabelTerm>, ApiError> {
    let mut terms = Vec::new();
    for part in split_outside_parentheses(selector) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        terms.push(parse_label_term(part).ok_or_else(|| {
            ApiError::BadRequest(format!("unable to parse requirement: {part:?}"))
        })?);
    }
    Ok(terms)
}

fn split_outside_parentheses(selector: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (i, c) in selector.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&selector[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&selector[start..]);
    parts
}

fn parse_label_term(part: &str) -> Option<LabelTerm> {
    let key = |k: &str| {
        let k = k.trim();
        let ok = !k.is_empty()
            && k.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        ok.then(|| k.to_owned())
    };
    let value = |v: &str| {
        let v = v.trim();
        let ok = v.len() <= 63
            && v.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        ok.then(|| v.to_owned())
    };
    if let Some(k) = part.strip_prefix('!') {
        return Some(LabelTerm::Absent(key(k)?));
    }
    if let Some((k, v)) = part.split_once("!=") {
        return Some(LabelTerm::NotIn(key(k)?, vec![value(v)?]));
    }
    if let Some((k, v)) = part.split_once('=') {
        return Some(LabelTerm::In(
            key(k)?,
            vec![value(v.strip_prefix('=').unwrap_or(v))?],
        ));
    }
    if let Some((head, set)) = part.split_once('(') {
        let set = set.trim().strip_suffix(')')?;
        let values = set.split(',').map(value).collect::<Option<Vec<_>>>()?;
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [k, "in"] => Some(LabelTerm::In(key(k)?, values)),
            [k, "notin"] => Some(LabelTerm::NotIn(key(k)?, values)),
            _ => None,
        };
    }
    Some(LabelTerm::Exists(key(part)?))
}

/// Whether a plain map of labels (`matchLabels`, `nodeSelector`) is part of an object's labels.
pub(crate) fn has_labels(object: &Value, wanted: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    wanted.as_object().is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v))
    })
}

/// The name and namespace of an object as one sortable text, for continue tokens.
pub(crate) fn position(object: &Value) -> (String, String) {
    (
        object::namespace(object).to_owned(),
        object::name(object).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(selector: &str, labels: &Value) -> bool {
        let selector = Selector {
            labels: parse_labels(selector).unwrap(),
            ..Selector::default()
        };
        selector.matches(&json!({"metadata": {"labels": labels}}))
    }

    #[test]
    fn label_terms() {
        let l = json!({"a": "1", "x/y": "z"});
        for yes in [
            "a=1",
            "a==1",
            "a in (1,2)",
            "a notin (3)",
            "b!=1",
            "!b",
            "a",
            "a=1,x/y=z",
            "b notin (1)",
            "",
        ] {
            assert!(labels(yes, &l), "{yes}");
        }
        for no in [
            "a=2",
            "a!=1",
            "a in (2, 3)",
            "!a",
            "b",
            "a=1,b",
            "a notin (1)",
        ] {
            assert!(!labels(no, &l), "{no}");
        }
        assert!(parse_labels("a in 1").is_err());
        assert!(parse_labels("a in (1").is_err());
        assert!(parse_labels("?=1").is_err());
    }

    #[test]
    fn escaped_commas_stay_in_one_term() {
        assert_eq!(split_escaped("a=b\\,c,d=e"), ["a=b\\,c", "d=e"]);
        assert_eq!(unescape("b\\,c"), "b,c");
    }
}
