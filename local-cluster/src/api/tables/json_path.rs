//! The JSONPath of printer columns: names, indexes, `[*]`, and filters for equality.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(i64),
    All,
    /// `[?(@.a.b=="c")]`: the path below the element, whether equal or not, the text.
    Filter(Vec<Step>, bool, Value),
}

/// All values at a path; none when the path is not understood.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let Some(steps) = parse(path) else {
        return Vec::new();
    };
    walk(vec![object], &steps)
}

fn walk<'a>(mut found: Vec<&'a Value>, steps: &[Step]) -> Vec<&'a Value> {
    for step in steps {
        found = found
            .into_iter()
            .flat_map(|value| -> Vec<&'a Value> {
                match step {
                    Step::Name(name) => value.get(name).into_iter().collect(),
                    Step::Index(i) => {
                        let len = value.as_array().map_or(0, Vec::len);
                        let at = if *i < 0 {
                            usize::try_from(-i)
                                .ok()
                                .and_then(|back| len.checked_sub(back))
                        } else {
                            usize::try_from(*i).ok()
                        };
                        at.and_then(|i| value.get(i)).into_iter().collect()
                    }
                    Step::All => match value {
                        Value::Array(list) => list.iter().collect(),
                        Value::Object(map) => map.values().collect(),
                        _ => Vec::new(),
                    },
                    Step::Filter(path, equal, wanted) => value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|e| {
                            let hit = walk(vec![e], path).first().is_some_and(|v| *v == wanted);
                            hit == *equal
                        })
                        .collect(),
                }
            })
            .collect();
    }
    found
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let path = path.trim().trim_start_matches('{').trim_end_matches('}');
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let end = closing(tail)?;
            steps.push(parse_bracket(&tail[..end])?);
            rest = &tail[end + 1..];
            continue;
        }
        let tail = rest.strip_prefix('.').unwrap_or(rest);
        let (name, after) = take_name(tail);
        match name.as_str() {
            "" if after.starts_with('[') => {}
            "" => return None,
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Name(name)),
        }
        rest = after;
    }
    Some(steps)
}

/// Up to the next unescaped `.` or `[`; `\.` is a dot in the name.
fn take_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '.' | '[' => return (name, &text[i..]),
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            c => name.push(c),
        }
    }
    (name, "")
}

/// Where the bracket ends, with quotes and inner brackets in mind.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(i),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn parse_bracket(inner: &str) -> Option<Step> {
    let inner = inner.trim();
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let filter = filter.trim().strip_prefix('@')?;
        let (at, equal) = match (filter.find("=="), filter.find("!=")) {
            (Some(at), _) => (at, true),
            (None, Some(at)) => (at, false),
            (None, None) => return None,
        };
        let wanted = filter[at + 2..].trim();
        let wanted = unquote(wanted)
            .map(Value::from)
            .or_else(|| serde_json::from_str(wanted).ok())?;
        return Some(Step::Filter(parse(filter[..at].trim())?, equal, wanted));
    }
    if let Some(name) = unquote(inner) {
        return Some(Step::Name(name.to_owned()));
    }
    inner.parse().ok().map(Step::Index)
}

fn unquote(text: &str) -> Option<&str> {
    ['"', '\'']
        .into_iter()
        .find_map(|q| text.strip_prefix(q).and_then(|t| t.strip_suffix(q)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns() {
        let object = json!({
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
                "list": [1, 2, 3],
            },
            "metadata": {"labels": {"app.io/x": "y"}},
        });
        let first = |path| find(&object, path).first().map(|v| (*v).clone());
        assert_eq!(first(".status.phase"), Some(json!("Running")));
        assert_eq!(first("{.status.phase}"), Some(json!("Running")));
        assert_eq!(
            first(".status.conditions[?(@.type==\"Ready\")].status"),
            Some(json!("True"))
        );
        assert_eq!(
            first(".status.conditions[?(@.type=='Other')].status"),
            Some(json!("False"))
        );
        assert_eq!(first(".status.list[-1]"), Some(json!(3)));
        assert_eq!(find(&object, ".status.list[*]").len(), 3);
        assert_eq!(first(".metadata.labels.app\\.io/x"), Some(json!("y")));
        assert_eq!(first(".metadata.labels['app.io/x']"), Some(json!("y")));
        assert_eq!(first(".nothing.here"), None);
        assert_eq!(first(".status..phase"), None);
    }
}
