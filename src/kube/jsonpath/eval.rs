//! The template's evaluation (`jsonpath.go` of the reference).

use super::JsonPathError;
use super::parse::{Node, Param};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

type Found<'v> = Vec<Cow<'v, Value>>;
type Outcome<'v> = Result<Found<'v>, JsonPathError>;

fn fail<T>(message: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(message.into()))
}

pub(super) fn find(
    nodes: &[Node],
    allow_missing: bool,
    value: &Value,
) -> Result<Vec<Vec<Value>>, JsonPathError> {
    let walker = Walker { allow_missing };
    let mut out = Vec::new();
    walker.block(nodes, 0, value, false, &mut out)?;
    Ok(out
        .into_iter()
        .map(|results| results.into_iter().map(Cow::into_owned).collect())
        .collect())
}

struct Walker {
    allow_missing: bool,
}

fn keyword(node: &Node) -> Option<&str> {
    let Node::List(inner) = node else { return None };
    inner.iter().find_map(|n| match n {
        Node::Identifier(name) => Some(name.as_str()),
        _ => None,
    })
}

impl Walker {
    /// Evaluates the parts from `from` to the `end` that closes this block (or
    /// to the last), and says where the block ended.
    fn block<'v>(
        &self,
        nodes: &[Node],
        from: usize,
        value: &'v Value,
        in_range: bool,
        out: &mut Vec<Found<'v>>,
    ) -> Result<usize, JsonPathError> {
        let mut at = from;
        while let Some(node) = nodes.get(at) {
            match keyword(node) {
                Some("end") if in_range => return Ok(at),
                Some("end") => return fail("not in range, nothing to end"),
                Some("range") => {
                    let Node::List(inner) = node else {
                        return Ok(at);
                    };
                    let steps: Vec<Node> = inner
                        .iter()
                        .filter(|n| !matches!(n, Node::Identifier(_)))
                        .cloned()
                        .collect();
                    let over = self.list(vec![Cow::Borrowed(value)], &steps)?;
                    at = self.range(nodes, at + 1, over, out)?;
                }
                Some(other) => return fail(format!("unrecognized identifier {other}")),
                None => out.push(self.step(vec![Cow::Borrowed(value)], node)?),
            }
            at += 1;
        }
        Ok(at)
    }

    fn range<'v>(
        &self,
        nodes: &[Node],
        body: usize,
        over: Found<'v>,
        out: &mut Vec<Found<'v>>,
    ) -> Result<usize, JsonPathError> {
        if over.is_empty() {
            // The body is walked all the same, to find where it ends.
            let mut ignored = Vec::new();
            let lenient = Walker {
                allow_missing: true,
            };
            return lenient.block(nodes, body, &Value::Null, true, &mut ignored);
        }
        let mut end = body;
        for item in over {
            match item {
                Cow::Borrowed(item) => end = self.block(nodes, body, item, true, out)?,
                Cow::Owned(item) => {
                    let mut own = Vec::new();
                    end = self.block(nodes, body, &item, true, &mut own)?;
                    out.extend(own.into_iter().map(|results| {
                        results
                            .into_iter()
                            .map(|r| Cow::Owned(r.into_owned()))
                            .collect()
                    }));
                }
            }
        }
        Ok(end)
    }

    fn list<'v>(&self, input: Found<'v>, nodes: &[Node]) -> Outcome<'v> {
        nodes
            .iter()
            .try_fold(input, |current, node| self.step(current, node))
    }

    fn step<'v>(&self, input: Found<'v>, node: &Node) -> Outcome<'v> {
        let repeat = |value: Value, input: &Found<'v>| {
            input.iter().map(|_| Cow::Owned(value.clone())).collect()
        };
        Ok(match node {
            Node::List(nodes) => self.list(input, nodes)?,
            Node::Text(text) => vec![Cow::Owned(Value::from(text.as_str()))],
            Node::Int(i) => repeat(Value::from(*i), &input),
            Node::Float(f) => repeat(Value::from(*f), &input),
            Node::Bool(b) => repeat(Value::from(*b), &input),
            Node::Identifier(name) => return fail(format!("unrecognized identifier {name}")),
            Node::Field(name) => self.field(input, name)?,
            Node::Wildcard => input.into_iter().flat_map(children).collect(),
            Node::Recursive => {
                let mut out = Vec::new();
                descend(input, &mut out);
                out
            }
            Node::Array(params) => array(input, params)?,
            Node::Union(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    out.extend(self.list(input.clone(), part)?);
                }
                out
            }
            Node::Filter {
                left,
                operator,
                right,
            } => self.filter(input, left, operator, right)?,
        })
    }

    fn field<'v>(&self, input: Found<'v>, name: &str) -> Outcome<'v> {
        if input.is_empty() {
            return Ok(input);
        }
        let found: Found<'v> = input
            .into_iter()
            .filter_map(|value| match value {
                Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
                Cow::Owned(Value::Object(mut map)) => map.remove(name).map(Cow::Owned),
                _ => None,
            })
            .collect();
        if found.is_empty() && !self.allow_missing {
            return fail(format!("{name} is not found"));
        }
        Ok(found)
    }

    fn filter<'v>(
        &self,
        input: Found<'v>,
        left: &[Node],
        operator: &str,
        right: &[Node],
    ) -> Outcome<'v> {
        let mut out = Vec::new();
        for value in input {
            if !value.is_array() {
                let shown = crate::gofmt::verb_v(&value);
                return fail(format!(
                    "{shown} is not array or slice and cannot be filtered"
                ));
            }
            for item in children(value) {
                let lefts = self.list(vec![Cow::Borrowed(item.as_ref())], left);
                if operator == "exists" {
                    if lefts.is_ok_and(|found| !found.is_empty()) {
                        out.push(item);
                    }
                    continue;
                }
                let lefts = lefts?;
                let rights = self.list(vec![Cow::Borrowed(item.as_ref())], right);
                let pass = match (lefts.as_slice(), rights?.as_slice()) {
                    ([], _) | (_, []) => false,
                    ([l], [r]) => compare(l, operator, r)?,
                    _ => return fail("can only compare one element at a time"),
                };
                if pass {
                    out.push(item.clone());
                }
            }
        }
        Ok(out)
    }
}

fn children(value: Cow<'_, Value>) -> Vec<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(map)) => map.into_iter().map(|(_, v)| Cow::Owned(v)).collect(),
        _ => Vec::new(),
    }
}

/// Every collection that has something in it, parents before children.
fn descend<'v>(input: Found<'v>, out: &mut Found<'v>) {
    for value in input {
        let inner = children(value.clone());
        if !inner.is_empty() {
            out.push(value);
            descend(inner, out);
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "interface {}",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn array<'v>(input: Found<'v>, params: &[Param; 3]) -> Outcome<'v> {
    let mut out = Vec::new();
    for value in input {
        if value.is_null() {
            continue;
        }
        let Some(length) = value.as_array().map(Vec::len) else {
            return fail(format!("{} is not array or slice", type_name(&value)));
        };
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let [start, end, step] = params;
        let mut from = if start.known { start.value } else { 0 };
        if from < 0 {
            from += length;
        }
        let mut to = if end.known { end.value } else { length };
        if to < 0 || (to == 0 && end.derived) {
            to += length;
        }
        if from == to {
            return Ok(out);
        }
        if from >= length || from < 0 {
            return fail(format!(
                "array index out of bounds: index {from}, length {length}"
            ));
        }
        if to > length || to < 0 {
            let index = to - 1;
            return fail(format!(
                "array index out of bounds: index {index}, length {length}"
            ));
        }
        if from > to {
            return fail(format!(
                "starting index {from} is greater than ending index {to}"
            ));
        }
        let by = if step.known { step.value } else { 1 };
        if by <= 0 {
            return fail("step must be > 0");
        }
        // All three are positive and within the array's length here.
        let (from, to, by) = (from as usize, to as usize, by as usize);
        out.extend(
            children(value)
                .into_iter()
                .skip(from)
                .take(to - from)
                .step_by(by),
        );
    }
    Ok(out)
}

fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, JsonPathError> {
    let ordering = match (left, right) {
        (Value::Bool(l), Value::Bool(r)) => {
            if matches!(operator, "==" | "!=") {
                l.cmp(r)
            } else {
                return fail("invalid type for comparison");
            }
        }
        (Value::String(l), Value::String(r)) => l.cmp(r),
        (Value::Number(l), Value::Number(r)) if l.is_f64() == r.is_f64() => {
            match (l.as_i64(), r.as_i64()) {
                (Some(l), Some(r)) => l.cmp(&r),
                _ => l
                    .as_f64()
                    .partial_cmp(&r.as_f64())
                    .unwrap_or(Ordering::Less),
            }
        }
        (Value::Null | Value::Array(_) | Value::Object(_), _)
        | (_, Value::Null | Value::Array(_) | Value::Object(_)) => {
            return fail("invalid type for comparison");
        }
        _ => return fail("incompatible types for comparison"),
    };
    Ok(match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        other => return fail(format!("unrecognized filter operator {other}")),
    })
}
