//! `kubectl rollout`.
//!
//! Reference: `kubectl/pkg/cmd/rollout`, `kubectl/pkg/polymorphichelpers` of
//! Kubernetes 1.32.

mod history;
mod status;

use crate::client::{JSON_PATCH, STRATEGIC_PATCH};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::print::{DryRun, Results, dry_run};
use crate::source::{self, Item, Wanted};
use kube::object::{list, text};
use kube::request::Target;
use serde_json::{Value, json};

pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// Runs a subcommand of `rollout`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    if cx.args().is_empty() && !cx.flags.given("filename") {
        return fail("required resource not specified");
    }
    match cx.command {
        "rollout status" => status::run(cx).await,
        "rollout history" => history::run(cx).await,
        "rollout undo" => undo(cx).await,
        _ => change(cx).await,
    }
}

async fn targets(cx: &Cx) -> Outcome<(Vec<Item>, Vec<Error>)> {
    let wanted = Wanted {
        by_selector: true,
        fetch: true,
    };
    if let [kind] = cx.args()
        && cx.text("selector").is_empty()
        && !kind.contains('/')
    {
        // `rollout restart deployment` means all of them.
        let res = crate::mapping::by_name(cx, kind).await?;
        return Ok((source::list(cx, res, false).await?, Vec::new()));
    }
    source::resolve(cx, cx.args(), wanted).await
}

/// `pause`, `resume`, `restart`.
async fn change(cx: &Cx) -> Outcome {
    let results = Results::new(cx)?;
    let (items, mut errors) = targets(cx).await?;
    if items.is_empty() && errors.is_empty() {
        eprintln!("No resources found in {} namespace.", cx.namespace()?);
        return Ok(());
    }
    for item in items {
        let done = match cx.command {
            "rollout pause" => pause(cx, &item, true).await,
            "rollout resume" => pause(cx, &item, false).await,
            _ => restart(cx, &item).await,
        };
        match done {
            Ok((object, happened)) => results.print(item.res, &object, happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

/// `error: deployments.apps "web" is already paused`
fn wrong(item: &Item, why: &str) -> Error {
    Error::Verbatim(format!(
        "error: {} {} {why}",
        item.res.qualified(),
        kube::gofmt::quote(&item.name)
    ))
}

async fn send(cx: &Cx, item: &Item, media_type: &str, patch: &Value) -> Outcome<Value> {
    let path = Target::new(item.path())
        .with("fieldManager", cx.text("field-manager"))
        .finish();
    cx.client()?
        .patch(&path, media_type, patch.to_string())
        .await
}

async fn pause(cx: &Cx, item: &Item, pause: bool) -> Outcome<(Value, &'static str)> {
    if item.res.kind != "Deployment" {
        return Err(wrong(
            item,
            if pause {
                "pausing is not supported"
            } else {
                "resuming is not supported"
            },
        ));
    }
    let paused = item.object["spec"]["paused"] == true;
    match (pause, paused) {
        (true, true) => return Err(wrong(item, "is already paused")),
        (false, false) => return Err(wrong(item, "is not paused")),
        _ => {}
    }
    let patch = if pause {
        json!({"spec": {"paused": true}})
    } else {
        json!({"spec": {"paused": null}})
    };
    let after = send(cx, item, STRATEGIC_PATCH, &patch).await?;
    Ok((after, if pause { "paused" } else { "resumed" }))
}

async fn restart(cx: &Cx, item: &Item) -> Outcome<(Value, &'static str)> {
    match item.res.kind {
        "Deployment" if item.object["spec"]["paused"] == true => {
            return Err(wrong(
                item,
                "can't restart paused deployment (run rollout resume first)",
            ));
        }
        "Deployment" | "DaemonSet" | "StatefulSet" => {}
        _ => return Err(wrong(item, "restarting is not supported")),
    }
    let now = jiff::Zoned::now()
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
        .replace("+00:00", "Z");
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": now,
    }}}}});
    let before = &item.object["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    if *before == now {
        return fail(format!(
            "failed to create patch for {}: if restart has already been triggered within the past second, please wait before attempting to trigger another",
            item.name
        ));
    }
    Ok((send(cx, item, STRATEGIC_PATCH, &patch).await?, "restarted"))
}

/// The ReplicaSets of a Deployment with their revisions, oldest first.
async fn replica_sets(cx: &Cx, deployment: &Item) -> Outcome<Vec<(i64, Value)>> {
    let uid = kube::object::uid(&deployment.object).to_owned();
    let selector = selector_text(&deployment.object["spec"]["selector"]);
    let path = Target::new(format!(
        "/apis/apps/v1/namespaces/{}/replicasets",
        deployment.namespace
    ))
    .with_some("labelSelector", &selector)
    .finish();
    let all = cx.client()?.get(&path).await?;
    let mut owned: Vec<(i64, Value)> = list(&all, "items")
        .iter()
        .filter(|rs| kube::object::controller_of(rs).is_some_and(|owner| text(owner, "uid") == uid))
        .filter_map(|rs| {
            Some((
                kube::object::annotation(rs, REVISION).parse().ok()?,
                rs.clone(),
            ))
        })
        .collect();
    owned.sort_by_key(|(revision, _)| *revision);
    Ok(owned)
}

/// A `LabelSelector` as the text of a query.
pub fn selector_text(selector: &Value) -> String {
    let mut parts: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    for rule in list(selector, "matchExpressions") {
        let key = text(rule, "key");
        let values: Vec<&str> = list(rule, "values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        parts.push(match text(rule, "operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    parts.join(",")
}

async fn undo(cx: &Cx) -> Outcome {
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let (items, mut errors) = targets(cx).await?;
    for item in items {
        match undo_one(cx, &item, dry_run).await {
            Ok(happened) => results.print(item.res, &item.object, &happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

/// What is said of kinds whose older templates nobody knows: kubectl's words, or ours where
/// only this cluster keeps none.
fn no_revisions(item: &Item, lacks: &str) -> String {
    match item.res.kind {
        "DaemonSet" | "StatefulSet" => format!(
            "older revisions of a {} are not part of kubedrill: no ControllerRevisions are kept; \
             apply the older template",
            item.res.kind
        ),
        _ => format!(
            "no {lacks} has been implemented for \"{}\"",
            group_kind(item)
        ),
    }
}

async fn undo_one(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<String> {
    if item.res.kind != "Deployment" {
        return fail(no_revisions(item, "rollbacker"));
    }
    if item.object["spec"]["paused"] == true {
        return fail(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
        );
    }
    let sets = replica_sets(cx, item).await?;
    let to = cx.flags.int("to-revision");
    let found = if to == 0 {
        // The one before the newest.
        sets.len().checked_sub(2).and_then(|at| sets.get(at))
    } else {
        sets.iter().find(|(revision, _)| *revision == to)
    };
    let Some((_, set)) = found else {
        return fail(if to == 0 {
            format!(
                "no rollout history found for deployment {}",
                kube::gofmt::quote(&item.name)
            )
        } else {
            format!("unable to find specified revision {to} in history")
        });
    };
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    if dry_run == DryRun::Client {
        return Ok(history::template(&template).trim_end().to_owned());
    }
    if same_template(&template, &item.object["spec"]["template"]) {
        return Ok(format!(
            "skipped rollback (current template already matches revision {to})"
        ));
    }
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    let path = crate::print::with_dry_run(Target::new(item.path()), dry_run).finish();
    cx.client()?
        .patch(&path, JSON_PATCH, patch.to_string())
        .await
        .map_err(|e| Error::Message(format!("failed restoring revision {to}: {e}")))?;
    Ok("rolled back".to_owned())
}

fn same_template(a: &Value, b: &Value) -> bool {
    let bare = |t: &Value| {
        let mut t = t.clone();
        if let Some(labels) = t["metadata"]["labels"].as_object_mut() {
            labels.remove("pod-template-hash");
        }
        t
    };
    bare(a) == bare(b)
}

/// `Deployment.apps`
fn group_kind(item: &Item) -> String {
    if item.res.group.is_empty() {
        item.res.kind.to_owned()
    } else {
        format!("{}.{}", item.res.kind, item.res.group)
    }
}
