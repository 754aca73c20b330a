//! `kubectl cordon`, `uncordon`, `drain` (how Pods go is in [`super::drain`]), `taint`.
//!
//! Reference: `kubectl/pkg/cmd/drain`, `kubectl/pkg/drain`,
//! `kubectl/pkg/cmd/taint` of Kubernetes 1.32.

use crate::client::STRATEGIC_PATCH;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item};
use kube::object::{flag, list, text};
use kube::request::Target;
use serde_json::{Value, json};

/// Runs `cordon`, `uncordon` or `drain`.
///
/// # Errors
/// The command line's, the server's, Pods that may not be evicted.
pub async fn run(cx: &Cx) -> Outcome {
    let nodes = nodes(cx).await?;
    let dry_run = dry_run(cx)?;
    let mut errors = Vec::new();
    for node in &nodes {
        if let Err(e) = cordon(cx, node, cx.command != "uncordon", dry_run).await {
            errors.push(e);
        }
    }
    if cx.command != "drain" || !errors.is_empty() {
        return Error::collect(errors);
    }
    let mut pending = Vec::new();
    for node in &nodes {
        match super::drain::node(cx, node, dry_run).await {
            Ok(()) => say(format!("node/{} drained{}", node.name, suffix(dry_run)))?,
            Err(e) => {
                eprintln!(
                    "error: unable to drain node {} due to error: {e}, continuing command...",
                    kube::gofmt::quote(&node.name)
                );
                pending.push(&node.name);
                errors.push(e);
            }
        }
    }
    if !pending.is_empty() {
        eprintln!("There are pending nodes to be drained:");
        for name in &pending {
            eprintln!(" {name}");
        }
    }
    // As Google's: a line each and nothing before it, even if it is one alone.
    match errors.pop() {
        None => Ok(()),
        Some(Error::Many(several)) if errors.is_empty() => Err(Error::Many(several)),
        Some(last) => {
            errors.push(last);
            Err(Error::Many(errors))
        }
    }
}

/// What the output says of a dry run.
pub fn suffix(dry_run: DryRun) -> &'static str {
    match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    }
}

async fn nodes(cx: &Cx) -> Outcome<Vec<Item>> {
    let res = super::create::known("v1", "Node")?;
    let selector = cx.text("selector");
    if cx.args().is_empty() && selector.is_empty() {
        return usage(cx.command, format!("USAGE: {} NODE [flags]", cx.command));
    }
    if !cx.args().is_empty() && !selector.is_empty() {
        return usage(
            cx.command,
            "error: cannot specify both a node name and a --selector option",
        );
    }
    if !selector.is_empty() {
        return source::list(cx, res, true).await;
    }
    let mut found = Vec::new();
    for word in cx.args() {
        let name = word
            .strip_prefix("node/")
            .or_else(|| word.strip_prefix("nodes/"))
            .unwrap_or(word);
        let object = cx.client()?.get(&res.path("", name)).await?;
        found.push(source::fetched(res, object));
    }
    Ok(found)
}

async fn cordon(cx: &Cx, node: &Item, on: bool, dry_run: DryRun) -> Outcome {
    let word = if on { "cordoned" } else { "uncordoned" };
    if flag(&node.object, "spec.unschedulable") == on {
        return say(format!(
            "node/{} already {word}{}",
            node.name,
            suffix(dry_run)
        ));
    }
    if dry_run != DryRun::Client {
        let patch =
            json!({"spec": {"unschedulable": if on { Value::from(true) } else { Value::Null }}});
        let path = with_dry_run(Target::new(node.path()), dry_run).finish();
        cx.client()?
            .patch(&path, STRATEGIC_PATCH, patch.to_string())
            .await
            .map_err(|e| {
                Error::Message(format!(
                    "unable to {} node \"{}\": {e}",
                    if on { "cordon" } else { "uncordon" },
                    node.name
                ))
            })?;
    }
    say(format!("node/{} {word}{}", node.name, suffix(dry_run)))
}

/// Runs `kubectl taint`.
///
/// # Errors
/// The command line's, the server's.
pub async fn taint(cx: &Cx) -> Outcome {
    let is_taint = |word: &String| word.contains(':') || word.contains('=') || word.ends_with('-');
    let args = cx.args();
    let from = args
        .iter()
        .skip(1)
        .position(is_taint)
        .map_or(args.len(), |at| at + 1);
    let (resources, specs) = args.split_at(from);
    let Some((kind, names)) = resources.split_first() else {
        return fail("one or more resources must be specified as <resource> <name>");
    };
    if !matches!(kind.as_str(), "node" | "nodes" | "no") {
        return fail(format!(
            "invalid resource type {kind}, only node types are supported"
        ));
    }
    let (all, selector) = (cx.bool("all"), cx.text("selector"));
    if names.is_empty() && !all && selector.is_empty() {
        return fail("one or more resources must be specified as <resource> <name>");
    }
    if specs.is_empty() {
        return fail("at least one taint update is required");
    }
    let (add, remove) = parse_taints(specs)?;
    let res = super::create::known("v1", "Node")?;
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let nodes = if all || !selector.is_empty() {
        source::list(cx, res, true).await?
    } else {
        let mut nodes = Vec::new();
        for name in names {
            nodes.push(source::fetched(
                res,
                cx.client()?.get(&res.path("", name)).await?,
            ));
        }
        nodes
    };
    let mut errors = Vec::new();
    for node in nodes {
        match taint_one(cx, &node, &add, &remove, dry_run).await {
            Ok((object, happened)) => results.print(res, &object, happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

/// Taints to set, and (key, effect) to remove; an empty effect means all.
type Taints = (Vec<Value>, Vec<(String, String)>);

fn parse_taints(specs: &[String]) -> Outcome<Taints> {
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for spec in specs {
        if let Some(gone) = spec.strip_suffix('-') {
            let (key, effect) = gone.split_once(':').unwrap_or((gone, ""));
            let key = key.split('=').next().unwrap_or(key);
            remove.push((key.to_owned(), effect.to_owned()));
            continue;
        }
        let Some((pair, effect)) = spec.rsplit_once(':') else {
            return fail(format!("unknown taint spec: {spec}"));
        };
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.is_empty() {
            return fail(format!("invalid taint spec: {spec}"));
        }
        if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            return fail(format!(
                "invalid taint effect: {effect}, unsupported taint effect"
            ));
        }
        let mut taint = json!({"key": key, "effect": effect});
        if !value.is_empty() {
            taint["value"] = Value::from(value);
        }
        add.push(taint);
    }
    Ok((add, remove))
}

async fn taint_one(
    cx: &Cx,
    node: &Item,
    add: &[Value],
    remove: &[(String, String)],
    dry_run: DryRun,
) -> Outcome<(Value, &'static str)> {
    let before = list(&node.object, "spec.taints").to_vec();
    let same = |a: &Value, b: &Value| a["key"] == b["key"] && a["effect"] == b["effect"];
    if !cx.bool("overwrite") {
        let taken: Vec<String> = add
            .iter()
            .filter(|new| before.iter().any(|old| same(new, old)))
            .map(|new| format!("{}:{}", text(new, "key"), text(new, "effect")))
            .collect();
        if !taken.is_empty() {
            return fail(format!(
                "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                node.name,
                {
                    let mut keys: Vec<&str> = taken
                        .iter()
                        .map(|t| t.split(':').next().unwrap_or_default())
                        .collect();
                    keys.dedup();
                    keys.join(", ")
                }
            ));
        }
    }
    let gone = |taint: &Value| {
        remove.iter().any(|(key, effect)| {
            taint["key"] == *key && (effect.is_empty() || taint["effect"] == *effect)
        })
    };
    for (key, effect) in remove {
        if !before
            .iter()
            .any(|t| t["key"] == *key && (effect.is_empty() || t["effect"] == *effect))
        {
            return fail(format!(
                "taint {} not found",
                kube::gofmt::quote(&if effect.is_empty() {
                    key.clone()
                } else {
                    format!("{key}:{effect}")
                })
            ));
        }
    }
    let mut after: Vec<Value> = add.to_vec();
    after.extend(
        before
            .iter()
            .filter(|old| !gone(old) && !add.iter().any(|new| same(new, old)))
            .cloned(),
    );
    let happened = match (add.is_empty(), remove.is_empty()) {
        _ if cx.bool("overwrite") => "modified",
        (true, false) => "untainted",
        (false, false) => "modified",
        _ => "tainted",
    };
    let taints = if after.is_empty() {
        Value::Null
    } else {
        Value::Array(after)
    };
    let mut object = node.object.clone();
    if dry_run == DryRun::Client {
        object["spec"]["taints"] = taints;
        return Ok((object, happened));
    }
    let patch = json!({"spec": {"taints": taints}, "metadata": {"resourceVersion": node.object["metadata"]["resourceVersion"]}});
    let path = with_dry_run(Target::new(node.path()), dry_run)
        .with("fieldManager", cx.text("field-manager"))
        .finish();
    let after = cx
        .client()?
        .patch(&path, crate::client::MERGE_PATCH, patch.to_string())
        .await?;
    Ok((after, happened))
}
