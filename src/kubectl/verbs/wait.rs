//! `kubectl wait`.
//!
//! Reference: `kubectl/pkg/cmd/wait` of Kubernetes 1.32.

use super::until::{self, Verdict};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::print::Results;
use crate::source::{self, Item, Wanted};
use kube::jsonpath::{JsonPath, relaxed};
use kube::object::{list, text};
use serde_json::Value;
use std::time::Duration;

enum Condition {
    Delete,
    Create,
    /// A condition's type, lower case, and its wanted status.
    Status(String, String),
    /// An expression and the wanted text; any when absent.
    Path(Box<JsonPath>, Option<String>),
}

impl Condition {
    fn parse(text: &str) -> Outcome<Self> {
        let lower = text.to_lowercase();
        if lower == "delete" {
            return Ok(Self::Delete);
        }
        if lower == "create" {
            return Ok(Self::Create);
        }
        if let Some(condition) = text.strip_prefix("condition=") {
            let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
            return Ok(Self::Status(name.to_lowercase(), value.to_lowercase()));
        }
        if let Some(spec) = text.strip_prefix("jsonpath=") {
            let bad = || {
                Error::Message("jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'".to_owned())
            };
            let (path, value) = match spec.rfind('}') {
                Some(end) if end + 1 < spec.len() => {
                    let value = spec[end + 1..].strip_prefix('=').ok_or_else(bad)?;
                    (&spec[..=end], Some(value))
                }
                Some(_) => (spec, None),
                None => match spec.split_once('=') {
                    Some((path, value)) => (path, Some(value)),
                    None => (spec, None),
                },
            };
            if value == Some("") {
                return fail(
                    "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
                );
            }
            let value = value.map(|v| v.trim_matches(['\'', '"']).to_owned());
            let path = JsonPath::parse(&relaxed(path)?)?.allow_missing_keys(true);
            return Ok(Self::Path(Box::new(path), value));
        }
        fail(format!(
            "unrecognized condition: {}",
            kube::gofmt::quote(text)
        ))
    }

    fn met(&self, object: &Value) -> Outcome<bool> {
        match self {
            Self::Delete => Ok(false),
            Self::Create => Ok(true),
            Self::Status(name, wanted) => {
                let found = list(object, "status.conditions")
                    .iter()
                    .find(|c| text(c, "type").to_lowercase() == *name);
                let Some(condition) = found else {
                    return Ok(false);
                };
                // A condition that was observed of an older generation says nothing yet.
                let generation = object["metadata"]["generation"].as_i64();
                let observed = condition["observedGeneration"]
                    .as_i64()
                    .or_else(|| object["status"]["observedGeneration"].as_i64());
                if let (Some(generation), Some(observed)) = (generation, observed)
                    && observed < generation
                {
                    return Ok(false);
                }
                Ok(text(condition, "status").to_lowercase() == *wanted)
            }
            Self::Path(path, wanted) => {
                let found: Vec<Value> = path.find(object)?.into_iter().flatten().collect();
                match (found.as_slice(), wanted) {
                    ([], _) => Ok(false),
                    (_, None) => Ok(true),
                    ([one], Some(wanted)) => {
                        if one.is_array() || one.is_object() {
                            return fail(
                                "jsonpath leads to a nested object or list which is not supported",
                            );
                        }
                        Ok(kube::jsonpath::to_text(one).trim() == wanted.trim())
                    }
                    (many, Some(_)) => fail(
                        format!(
                            "given jsonpath expression matches more than one value: {}",
                            many.len()
                        )
                        .split(": ")
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    ),
                }
            }
        }
    }
}

/// Runs `kubectl wait`.
///
/// # Errors
/// The command line's, the server's, a time-out.
pub async fn run(cx: &Cx) -> Outcome {
    let conditions: Vec<&str> = cx.flags.list("for");
    let Some(text) = conditions.last() else {
        return fail(format!(
            "unrecognized condition: {}",
            kube::gofmt::quote("")
        ));
    };
    let condition = Condition::parse(text)?;
    let results = Results::new(cx)?;
    let limit = match cx.flags.duration("timeout") {
        None => Duration::from_secs(7 * 24 * 3600),
        Some(limit) => limit,
    };
    let deadline = tokio::time::Instant::now() + limit;
    let (items, mut errors) = if matches!(condition, Condition::Create) {
        created(cx, deadline).await?
    } else {
        source::resolve(
            cx,
            cx.args(),
            Wanted {
                by_selector: true,
                fetch: false,
            },
        )
        .await?
    };
    if items.is_empty() && errors.is_empty() {
        if matches!(condition, Condition::Delete) {
            return Ok(());
        }
        return fail("no matching resources found");
    }
    for item in &items {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if let Err(e) = one(cx, item, &condition, left, &results, limit.is_zero()).await {
            errors.push(e);
        }
    }
    Error::collect(errors)
}

/// Waits until what the arguments name exists at all.
async fn created(cx: &Cx, deadline: tokio::time::Instant) -> Outcome<(Vec<Item>, Vec<Error>)> {
    loop {
        let (items, errors) = source::resolve(
            cx,
            cx.args(),
            Wanted {
                by_selector: true,
                fetch: true,
            },
        )
        .await?;
        if errors.iter().any(|e| !e.is_not_found()) || (errors.is_empty() && !items.is_empty()) {
            return Ok((items, errors));
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(until::timed_out());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn one(
    cx: &Cx,
    item: &Item,
    condition: &Condition,
    left: Duration,
    results: &Results<'_>,
    once: bool,
) -> Outcome {
    if let Condition::Delete = condition {
        let object = match cx.client()?.get(&item.path()).await {
            Err(e) if e.is_not_found() && item.object.is_null() => return Ok(()),
            Err(e) if e.is_not_found() => {
                return results.print(item.res, &item.object, "condition met");
            }
            other => other?,
        };
        if once {
            return fail(format!("condition not met for {}", item.display()));
        }
        until::gone(cx, item, text(&object, "metadata.uid"), left).await?;
        return results.print(item.res, &object, "condition met");
    }
    if once {
        let object = cx.client()?.get(&item.path()).await?;
        if condition.met(&object)? {
            return results.print(item.res, &object, "condition met");
        }
        return fail(format!("condition not met for {}", item.display()));
    }
    let mut seen = Value::Null;
    let mut existed = false;
    let waiting = until::object(cx, item, left, |state| match state {
        None if existed => fail(""),
        None => fail("\0"),
        Some(object) => {
            existed = true;
            if condition.met(object)? {
                seen = object.clone();
                Ok(Verdict::Done)
            } else {
                Ok(Verdict::NotYet)
            }
        }
    });
    match waiting.await {
        Ok(()) => results.print(item.res, &seen, "condition met"),
        // The observer's two marks: it vanished, or it never was there.
        Err(Error::Message(m)) if m.is_empty() || m == "\0" => Err(not_found(item)),
        Err(Error::Message(m)) if m.starts_with("timed out") => {
            fail(format!("{m} on {}/{}", item.res.plural, item.name))
        }
        Err(e) => Err(e),
    }
}

fn not_found(item: &Item) -> Error {
    Error::Status(serde_json::json!({
        "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("{} \"{}\" not found", item.res.qualified(), item.name),
    }))
}
