//! Label and field selectors.
//!
//! Source of the grammar and of the error texts: apimachinery `labels/selector.go`
//! and `fields/selector.go` (v0.32).

use serde_json::{Map, Value};

/// Why a selector could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// Requirements on labels that must all hold. The empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// Parses the string form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
        };
        parser.selector().map(|requirements| LabelSelector {
            requirements,
            nothing: false,
        })
    }

    /// Reads an object's `matchLabels`/`matchExpressions`. A missing (null) selector
    /// matches nothing, an empty one everything.
    pub fn from_object(selector: &Value) -> LabelSelector {
        if selector.is_null() {
            return LabelSelector {
                nothing: true,
                ..LabelSelector::default()
            };
        }
        let mut requirements = equalities(crate::object::map(selector, "matchLabels"));
        for expression in crate::object::list(selector, "matchExpressions") {
            let operator = match crate::object::text(expression, "operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                "Gt" => Operator::GreaterThan,
                "Lt" => Operator::LessThan,
                _ => continue,
            };
            requirements.push(Requirement {
                key: crate::object::text(expression, "key").to_string(),
                operator,
                values: crate::object::list(expression, "values")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_string)
                    .collect(),
            });
        }
        LabelSelector {
            requirements,
            nothing: false,
        }
    }

    /// Reads a plain map of labels, as Services have it. An empty or missing map
    /// matches nothing.
    pub fn from_map(labels: &Value) -> LabelSelector {
        let requirements = equalities(labels.as_object());
        LabelSelector {
            nothing: requirements.is_empty(),
            requirements,
        }
    }

    /// Whether the selector has no requirements and so matches everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether labels (a map, or null) satisfy every requirement.
    pub fn matches(&self, labels: &Value) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }
}

fn equalities(labels: Option<&Map<String, Value>>) -> Vec<Requirement> {
    labels
        .into_iter()
        .flatten()
        .map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or("").to_string()],
        })
        .collect()
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        let number = |text: &str| text.parse::<i64>().ok();
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.iter().any(|w| w == v)),
            Operator::NotIn => value.is_none_or(|v| self.values.iter().all(|w| w != v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let pair = value
                    .and_then(number)
                    .zip(self.values.first().and_then(|v| number(v)));
                pair.is_some_and(|(have, limit)| match self.operator {
                    Operator::GreaterThan => have > limit,
                    _ => have < limit,
                })
            }
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    let flush = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => flush(&mut word, &mut tokens),
            '(' | ')' | ',' | '<' | '>' => {
                flush(&mut word, &mut tokens);
                tokens.push(c.to_string());
            }
            '=' | '!' => {
                flush(&mut word, &mut tokens);
                let mut token = c.to_string();
                if chars.peek() == Some(&'=') {
                    chars.next();
                    token.push('=');
                }
                tokens.push(token);
            }
            c => word.push(c),
        }
    }
    flush(&mut word, &mut tokens);
    tokens
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.starts_with(['(', ')', ',', '<', '>', '=', '!'])
}

impl Parser {
    fn next(&mut self) -> String {
        let token = self.tokens.get(self.at).cloned().unwrap_or_default();
        self.at += 1;
        token
    }
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        if self.tokens.is_empty() {
            return Ok(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.next().as_str() {
                "" => return Ok(requirements),
                "," if is_word(self.peek()) || self.peek() == "!" => {}
                "," => {
                    return Err(SelectorError(format!(
                        "found '{}', expected: identifier after ','",
                        self.peek()
                    )));
                }
                other => {
                    return Err(SelectorError(format!(
                        "found '{other}', expected: ',' or 'end of string'"
                    )));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == "!";
        if absent {
            self.next();
        }
        let key = self.next();
        if !is_word(&key) {
            return Err(SelectorError(format!(
                "found '{key}', expected: !, identifier, or 'end of string'"
            )));
        }
        if let Some(problem) = crate::validate::qualified_name(&key) {
            return Err(SelectorError(format!(
                "<nil>: Invalid value: \"{key}\": {problem}"
            )));
        }
        let requirement = |operator, values| {
            Ok(Requirement {
                key: key.clone(),
                operator,
                values,
            })
        };
        if absent {
            return requirement(Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), "" | ",") {
            return requirement(Operator::Exists, Vec::new());
        }
        let operator = self.next();
        match operator.as_str() {
            "=" | "==" => requirement(Operator::In, vec![self.exact()]),
            "!=" => requirement(Operator::NotIn, vec![self.exact()]),
            ">" => requirement(Operator::GreaterThan, vec![self.exact()]),
            "<" => requirement(Operator::LessThan, vec![self.exact()]),
            "in" => requirement(Operator::In, self.values()?),
            "notin" => requirement(Operator::NotIn, self.values()?),
            other => Err(SelectorError(format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
            ))),
        }
    }

    /// One value; it may be empty (`a=`).
    fn exact(&mut self) -> String {
        if is_word(self.peek()) {
            self.next()
        } else {
            String::new()
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let open = self.next();
        if open != "(" {
            return Err(SelectorError(format!("found '{open}' expected: '('")));
        }
        let mut values = Vec::new();
        loop {
            let token = self.next();
            match token.as_str() {
                ")" => return Ok(values),
                "," => {}
                "" => {
                    return Err(SelectorError(
                        "found '', expected: ',', ')' or identifier".to_string(),
                    ));
                }
                _ => values.push(token),
            }
        }
    }
}

/// Requirements on fields that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Field path, wanted value, and whether equality (else inequality) is meant.
    pub terms: Vec<(String, String, bool)>,
}

impl FieldSelector {
    /// Parses `a.b=c,d!=e`.
    pub fn parse(text: &str) -> Result<FieldSelector, SelectorError> {
        let mut terms = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = term.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = term.split_once("==") {
                (field, value, true)
            } else if let Some((field, value)) = term.split_once('=') {
                (field, value, true)
            } else {
                return Err(SelectorError(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            terms.push((field.to_string(), value.to_string(), equal));
        }
        Ok(FieldSelector { terms })
    }

    /// Refuses fields that the kind can't be selected by, with the server's text.
    pub fn check(&self, kind: &str, plural: &str) -> Result<(), SelectorError> {
        let allowed: &[&str] = match plural {
            "pods" => &[
                "metadata.name",
                "metadata.namespace",
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "spec.hostNetwork",
                "status.phase",
                "status.podIP",
                "status.podIPs",
                "status.nominatedNodeName",
            ],
            "nodes" => &["metadata.name", "metadata.namespace", "spec.unschedulable"],
            "events" => &[
                "metadata.name",
                "metadata.namespace",
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            "namespaces" => &["metadata.name", "metadata.namespace", "status.phase"],
            "secrets" => &["metadata.name", "metadata.namespace", "type"],
            "services" => &[
                "metadata.name",
                "metadata.namespace",
                "spec.clusterIP",
                "spec.type",
            ],
            "jobs" => &["metadata.name", "metadata.namespace", "status.successful"],
            "replicasets" | "replicationcontrollers" => {
                &["metadata.name", "metadata.namespace", "status.replicas"]
            }
            "certificatesigningrequests" => {
                &["metadata.name", "metadata.namespace", "spec.signerName"]
            }
            _ => &["metadata.name", "metadata.namespace"],
        };
        for (field, _, _) in &self.terms {
            if !allowed.contains(&field.as_str()) {
                let text = if allowed.len() == 2 {
                    format!(
                        "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    )
                } else {
                    format!("field label not supported: {field}")
                };
                let _ = kind;
                return Err(SelectorError(text));
            }
        }
        Ok(())
    }

    /// The value every match must have in that field, if the selector asks for one.
    pub fn wanted(&self, field: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|(name, _, equal)| name == field && *equal)
            .map(|(_, value, _)| value.as_str())
    }

    /// Whether the object satisfies every requirement.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms
            .iter()
            .all(|(field, value, equal)| (field_text(object, field) == *value) == *equal)
    }
}

fn field_text(object: &Value, field: &str) -> String {
    let value = match field {
        "source" => crate::object::at(object, "source.component"),
        "reportingComponent" if object.get("reportingController").is_some() => {
            crate::object::at(object, "reportingController")
        }
        // Events of both API groups are selected by the older names.
        field if field.starts_with("involvedObject.") && object.get("regarding").is_some() => {
            return crate::object::text(object, &field.replacen("involvedObject", "regarding", 1))
                .to_string();
        }
        field => crate::object::at(object, field),
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null if matches!(field, "spec.unschedulable" | "spec.hostNetwork") => {
            "false".to_string()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors() {
        let labels = json!({"app": "web", "tier": "front", "n": "5"});
        for (text, hit) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api)", true),
            ("app notin (web)", false),
            ("tier,!missing", true),
            ("missing", false),
            ("n>4", true),
            ("n<5", false),
            ("app=", false),
        ] {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.matches(&labels), hit, "{text}");
        }
        assert!(LabelSelector::parse("app in web").is_err());
        assert!(LabelSelector::parse("a=b,").is_err());
        assert!(!LabelSelector::from_object(&Value::Null).matches(&labels));
        assert!(LabelSelector::from_object(&json!({})).matches(&labels));
    }

    #[test]
    fn field_selectors() {
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let check = |text: &str| FieldSelector::parse(text).expect(text).matches(&pod);
        assert!(check("metadata.name=a,status.phase!=Failed"));
        assert!(!check("status.phase=Pending"));
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
