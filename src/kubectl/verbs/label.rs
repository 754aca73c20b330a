//! `kubectl label`, `kubectl annotate`.
//!
//! Reference: `kubectl/pkg/cmd/label/label.go`,
//! `kubectl/pkg/cmd/annotate/annotate.go` of Kubernetes 1.32.

use crate::client::MERGE_PATCH;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use kube::request::Target;
use serde_json::{Map, Value, json};

/// What the arguments ask for.
struct Change {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Runs `label` or `annotate`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    let labels = cx.command == "label";
    let (noun, field) = if labels {
        ("label", "labels")
    } else {
        ("annotation", "annotations")
    };
    // Pairs come last; whatever is before them names resources.
    let is_pair = |word: &String| word.contains('=') || word.ends_with('-') && word.len() > 1;
    let from = cx
        .args()
        .iter()
        .position(is_pair)
        .unwrap_or(cx.args().len());
    let (resources, pairs) = cx.args().split_at(from);
    let change = parse(pairs, labels)?;
    let listing = cx.bool("list");
    if listing && !cx.text("output").is_empty() {
        return fail("--list and --output may not be specified together");
    }
    if cx.bool("all") && !cx.text("selector").is_empty() {
        return fail("cannot set --all and --selector at the same time");
    }
    let local = cx.bool("local");
    let dry_run = dry_run(cx)?;
    if local && dry_run == DryRun::Server {
        return fail(
            "cannot specify --local and --dry-run=server - did you mean --dry-run=client?",
        );
    }
    if local && !cx.flags.given("filename") {
        return fail("one or more files must be specified as -f pod.yaml or --filename=pod.json");
    }
    if !local && resources.is_empty() && !cx.flags.given("filename") && !cx.flags.given("kustomize")
    {
        return fail(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        );
    }
    if change.set.is_empty() && change.remove.is_empty() && !listing {
        return fail(format!("at least one {noun} update is required"));
    }
    let results = Results::new(cx)?;
    let wanted = Wanted {
        by_selector: true,
        fetch: !local,
    };
    let (items, mut errors) = source::resolve(cx, resources, wanted).await?;
    if !cx.text("resource-version").is_empty() && items.len() > 1 {
        return fail("--resource-version may only be used with a single resource");
    }
    for item in items {
        if listing {
            list(&item, field)?;
            continue;
        }
        match one(
            cx,
            &item,
            &change,
            field,
            if local { DryRun::Client } else { dry_run },
        )
        .await
        {
            Ok((object, happened)) => results.print(item.res, &object, happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

fn parse(pairs: &[String], labels: bool) -> Outcome<Change> {
    let mut change = Change {
        set: Vec::new(),
        remove: Vec::new(),
    };
    let noun = if labels { "label" } else { "annotation" };
    if let Some(stray) = pairs.iter().find(|p| !p.contains('=') && !p.ends_with('-')) {
        return fail(format!(
            "all resources must be specified before {noun} changes: {stray}"
        ));
    }
    for pair in pairs {
        if let Some((key, value)) = pair.split_once('=') {
            if key.is_empty() {
                return fail(if labels {
                    format!("invalid label spec: {pair}")
                } else {
                    format!("invalid annotation format: {pair}")
                });
            }
            if labels && let Some(why) = label_value_problem(value) {
                return fail(format!(
                    "invalid label value: {}: {why}",
                    kube::gofmt::quote(pair)
                ));
            }
            change.set.push((key.to_owned(), value.to_owned()));
        } else if let Some(key) = pair.strip_suffix('-') {
            change.remove.push(key.to_owned());
        } else {
            return fail(format!(
                "unknown {} spec: {pair}",
                if labels { "label" } else { "annotation" }
            ));
        }
    }
    if change
        .remove
        .iter()
        .any(|key| change.set.iter().any(|(k, _)| k == key))
    {
        return fail(if labels {
            "can not both modify and remove a label in the same command".to_owned()
        } else {
            let both: Vec<&String> = change
                .remove
                .iter()
                .filter(|key| change.set.iter().any(|(k, _)| k == *key))
                .collect();
            let both: Vec<String> = both.into_iter().cloned().collect();
            format!(
                "can not both modify and remove the following annotation(s) in the same command: {}",
                both.join(", ")
            )
        });
    }
    Ok(change)
}

fn label_value_problem(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    let bytes = value.as_bytes();
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let good = bytes
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && edge(bytes.first())
        && edge(bytes.last());
    (!good).then(|| "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned())
}

fn list(item: &Item, field: &str) -> Outcome {
    for (key, value) in item.object["metadata"][field]
        .as_object()
        .into_iter()
        .flatten()
    {
        say(format!("{key}={}", value.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

async fn one(
    cx: &Cx,
    item: &Item,
    change: &Change,
    field: &str,
    dry_run: DryRun,
) -> Outcome<(Value, &'static str)> {
    let before: Map<String, Value> = item.object["metadata"][field]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let labels = field == "labels";
    if !cx.bool("overwrite") {
        let taken: Vec<(&str, &str)> = change
            .set
            .iter()
            .filter_map(|(key, value)| {
                let now = before.get(key)?.as_str()?;
                (now != value || !labels).then_some((key.as_str(), now))
            })
            .collect();
        if !taken.is_empty() {
            if labels {
                let errors: Vec<Error> = taken
                    .iter()
                    .map(|(k, v)| {
                        Error::Message(format!(
                            "'{k}' already has a value ({v}), and --overwrite is false"
                        ))
                    })
                    .collect();
                return Error::collect(errors).map(|()| (Value::Null, ""));
            }
            let shown: Vec<String> = taken
                .iter()
                .map(|(k, v)| format!("'{k}' already has a value ({v})"))
                .collect();
            return fail(format!(
                "--overwrite is false but found the following declared annotation(s): {}",
                shown.join("; ")
            ));
        }
    }
    let mut after = before.clone();
    let mut patch = Map::new();
    for (key, value) in &change.set {
        after.insert(key.clone(), Value::from(value.as_str()));
        patch.insert(key.clone(), Value::from(value.as_str()));
    }
    for key in &change.remove {
        if after.remove(key).is_some() {
            patch.insert(key.clone(), Value::Null);
        } else if labels {
            say(format!("label {} not found.", kube::gofmt::quote(key)))?;
        }
    }
    let happened = match (labels, after == before, change.set.is_empty()) {
        (true, true, _) => "not labeled",
        (true, false, true) => "unlabeled",
        (true, false, false) => "labeled",
        (false, _, _) => "annotated",
    };
    let mut object = item.object.clone();
    if dry_run == DryRun::Client {
        object["metadata"][field] = Value::Object(after);
        return Ok((object, happened));
    }
    let version = cx.text("resource-version");
    let mut body = json!({"metadata": {field: patch}});
    if !version.is_empty() {
        body["metadata"]["resourceVersion"] = Value::from(version);
    }
    let path = with_dry_run(Target::new(item.path()), dry_run)
        .with("fieldManager", cx.text("field-manager"))
        .finish();
    let after = cx
        .client()?
        .patch(&path, MERGE_PATCH, body.to_string())
        .await?;
    Ok((after, happened))
}
