//! Any other kind: every field, with readable names.

use super::Page;
use serde_json::{Map, Value};

const SKIPPED: &[&str] = &[
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
];

pub(super) fn any(page: &mut Page, object: &Value, events: Option<&[Value]>) {
    page.name(object, true);
    page.meta(object);
    if let Some(map) = object.as_object() {
        content(page, 0, map, "");
    }
    page.events(events);
}

fn content(page: &mut Page, level: usize, map: &Map<String, Value>, path: &str) {
    for (field, value) in map {
        let here = format!("{path}.{field}");
        if SKIPPED.contains(&here.as_str()) {
            continue;
        }
        let label = label(field);
        match value {
            Value::Object(inner) => {
                page.line(level, format!("{label}:"));
                content(page, level + 1, inner, &here);
            }
            Value::Array(items) => {
                page.line(level, format!("{label}:"));
                for item in items {
                    match item {
                        Value::Object(inner) => content(page, level + 1, inner, &here),
                        other => page.line(level + 1, kube::gofmt::verb_v(other)),
                    }
                }
            }
            other => page.line(level, format!("{label}:\t{}", kube::gofmt::verb_v(other))),
        }
    }
}

/// `restartPolicy` → `Restart Policy`; names with other characters stay.
fn label(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let words = split(field);
    let shown = words.iter().map(|word| {
        let upper = word.to_uppercase();
        if matches!(upper.as_str(), "API" | "URL" | "UID" | "OSB" | "GUID") {
            return upper;
        }
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(chars).collect()
        })
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Splits camel case; the last capital of a run begins the next word.
fn split(field: &str) -> Vec<String> {
    let chars: Vec<char> = field.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|at| chars[at]);
        let begins = match before {
            None => true,
            Some(before) => {
                let after_lower = chars.get(i + 1).is_some_and(|n| n.is_lowercase());
                c.is_uppercase()
                    && (before.is_lowercase() || (before.is_uppercase() && after_lower))
                    || (c == '-') != (before == '-')
            }
        };
        match words.last_mut() {
            Some(word) if !begins => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_readable() {
        for (field, want) in [
            ("restartPolicy", "Restart Policy"),
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("clusterIP", "Cluster IP"),
            ("podCIDRs", "Pod CID Rs"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(label(field), want);
        }
    }
}
