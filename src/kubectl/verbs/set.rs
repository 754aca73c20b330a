//! `kubectl set image|resources|env|serviceaccount`.
//!
//! Reference: `kubectl/pkg/cmd/set` of Kubernetes 1.32.

use crate::client::STRATEGIC_PATCH;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use kube::request::Target;
use serde_json::{Value, json};

/// Runs a subcommand of `set`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    let (resources, changes) = split(cx)?;
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let local = cx.bool("local");
    let wanted = Wanted {
        by_selector: true,
        fetch: !local,
    };
    let (items, mut errors) = source::resolve(cx, &resources, wanted).await?;
    for item in items {
        match one(
            cx,
            &item,
            &changes,
            if local { DryRun::Client } else { dry_run },
        )
        .await
        {
            Ok(Some((object, happened))) => results.print(item.res, &object, happened)?,
            Ok(None) => {}
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

/// Resources first, then what to set.
fn split(cx: &Cx) -> Outcome<(Vec<String>, Vec<String>)> {
    let args = cx.args();
    let from_file = cx.flags.given("filename") || cx.flags.given("kustomize");
    if cx.command == "set serviceaccount" {
        let Some((account, resources)) = args.split_last() else {
            return fail("serviceaccount is required");
        };
        return Ok((resources.to_vec(), vec![account.clone()]));
    }
    let pair = |w: &String| w.contains('=') || cx.command == "set env" && w.ends_with('-');
    let from = args.iter().position(pair).unwrap_or(args.len());
    let (resources, mut changes) = (args[..from].to_vec(), args[from..].to_vec());
    if resources.is_empty() && !from_file {
        return fail(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        );
    }
    match cx.command {
        "set image" if changes.is_empty() => return fail("at least one image update is required"),
        "set resources" if cx.text("limits").is_empty() && cx.text("requests").is_empty() => {
            return fail(
                "you must specify an update to requests or limits (in the form of --requests/--limits)",
            );
        }
        "set env" => {
            changes.extend(cx.flags.list("env").into_iter().map(str::to_owned));
            if !cx.text("from").is_empty() {
                return fail("--from is not supported by 'kubectl set env' here");
            }
            if changes.is_empty() && !cx.bool("list") {
                return fail("at least one environment variable must be provided");
            }
        }
        _ => {}
    }
    Ok((resources, changes))
}

/// Where an object keeps its Pod's specification.
fn pod_spec<'a>(item: &Item, object: &'a mut Value) -> Option<&'a mut Value> {
    let path: &[&str] = match item.res.kind {
        "Pod" => &["spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => &["spec", "template", "spec"],
    };
    path.iter()
        .try_fold(object, |value, step| value.get_mut(*step))
        .filter(|v| v.is_object())
}

async fn one(
    cx: &Cx,
    item: &Item,
    changes: &[String],
    dry_run: DryRun,
) -> Outcome<Option<(Value, &'static str)>> {
    let mut object = item.object.clone();
    let Some(spec) = pod_spec(item, &mut object) else {
        return fail(format!("{} does not have a pod template", item.display()));
    };
    let happened = match cx.command {
        "set image" => {
            set_images(spec, changes)?;
            "image updated"
        }
        "set resources" => {
            set_resources(cx, spec)?;
            "resource requirements updated"
        }
        "set env" => {
            if cx.bool("list") {
                return list_env(item, spec).map(|()| None);
            }
            set_env(cx, spec, changes)?;
            "env updated"
        }
        _ => {
            spec["serviceAccountName"] = Value::from(changes.first().map_or("", String::as_str));
            "serviceaccount updated"
        }
    };
    if object == item.object {
        // Google's says nothing when nothing changes.
        return Ok(None);
    }
    if dry_run == DryRun::Client {
        return Ok(Some((object, happened)));
    }
    let shape = kube::schema::root(item.res);
    let patch = kube::threeway::patch(&item.object, &object, &item.object, shape.as_deref());
    let path = with_dry_run(Target::new(item.path()), dry_run)
        .with("fieldManager", cx.text("field-manager"))
        .finish();
    let after = cx
        .client()?
        .patch(&path, STRATEGIC_PATCH, patch.to_string())
        .await
        .map_err(|e| match e {
            Error::Status(_) if cx.command == "set image" => {
                Error::Message(format!("failed to patch image update to pod template: {e}"))
            }
            other => other,
        })?;
    Ok(Some((after, happened)))
}

fn containers(spec: &mut Value) -> Vec<&mut Value> {
    let Some(map) = spec.as_object_mut() else {
        return Vec::new();
    };
    map.iter_mut()
        .filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, value)| value.as_array_mut())
        .flatten()
        .collect()
}

fn set_images(spec: &mut Value, changes: &[String]) -> Outcome {
    for change in changes {
        let Some((name, image)) = change.split_once('=') else {
            return fail(format!("invalid image assignment: {change}"));
        };
        let mut found = false;
        for container in containers(spec) {
            if name == "*" || container["name"] == *name {
                container["image"] = Value::from(image);
                found = true;
            }
        }
        if !found {
            return fail(format!(
                "unable to find container named {}",
                kube::gofmt::quote(name)
            ));
        }
    }
    Ok(())
}

fn set_resources(cx: &Cx, spec: &mut Value) -> Outcome {
    let selected = cx.text("containers").to_owned();
    let mut found = false;
    for container in containers(spec) {
        if !matches(&selected, container["name"].as_str().unwrap_or_default()) {
            continue;
        }
        found = true;
        for (flag, field) in [("limits", "limits"), ("requests", "requests")] {
            for pair in cx.text(flag).split(',').filter(|p| !p.is_empty()) {
                let Some((name, amount)) = pair.split_once('=') else {
                    return fail(format!(
                        "invalid argument syntax {pair}, expected <resource>=<value>"
                    ));
                };
                let Some(amount) = kube::quantity::canonical(amount) else {
                    return fail(
                        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                    );
                };
                if !container["resources"].is_object() {
                    container["resources"] = json!({});
                }
                container["resources"][field][name] = Value::from(amount);
            }
        }
    }
    if !found {
        return fail(format!("unable to find container named {selected}"));
    }
    Ok(())
}

/// Whether a name matches `*`, a name, or a list of names with `*` in them.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.split(',').any(|one| match one.split_once('*') {
        None => one == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    })
}

fn set_env(cx: &Cx, spec: &mut Value, changes: &[String]) -> Outcome {
    let selected = cx.text("containers").to_owned();
    for container in containers(spec) {
        if !matches(&selected, container["name"].as_str().unwrap_or_default()) {
            continue;
        }
        if !container["env"].is_array() {
            container["env"] = json!([]);
        }
        let Some(env) = container["env"].as_array_mut() else {
            continue;
        };
        for change in changes {
            if let Some((key, value)) = change.split_once('=') {
                let new = json!({"name": key, "value": value});
                match env.iter_mut().find(|e| e["name"] == *key) {
                    Some(_) if !cx.bool("overwrite") => {
                        return fail(format!(
                            "'{key}' already has a value, and --overwrite is false"
                        ));
                    }
                    Some(old) => *old = new,
                    None => env.push(new),
                }
            } else if let Some(key) = change.strip_suffix('-') {
                env.retain(|e| e["name"] != *key);
            } else {
                return fail(format!(
                    "environment variables must be of the form key=value, not {change}"
                ));
            }
        }
        if env.is_empty()
            && let Some(map) = container.as_object_mut()
        {
            map.remove("env");
        }
    }
    Ok(())
}

fn list_env(item: &Item, spec: &mut Value) -> Outcome {
    for container in containers(spec) {
        say(format!(
            "# {} {}, container {}",
            item.res.kind,
            item.name,
            container["name"].as_str().unwrap_or_default()
        ))?;
        for variable in kube::object::list(container, "env") {
            say(format!(
                "{}={}",
                kube::object::text(variable, "name"),
                kube::object::text(variable, "value")
            ))?;
        }
    }
    Ok(())
}
