//! `kubectl apply`.
//!
//! Reference: `kubectl/pkg/cmd/apply` of Kubernetes 1.32.

use super::LAST_APPLIED;
use super::create::{creation_target, save_config};
use crate::client::{APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH};
use crate::cx::{Cx, put};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use kube::object::{annotation, text};
use kube::request::Target;
use serde_json::{Value, json};

/// How often a patch that lost a race is computed anew.
const MOST_TRIES: usize = 5;

/// Runs `kubectl apply`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.flags.given("filename") && !cx.flags.given("kustomize") {
        return fail("must specify one of -f and -k");
    }
    if !cx.args().is_empty() {
        return usage(
            "apply",
            format!("Unexpected args: [{}]", cx.args().join(" ")),
        );
    }
    if cx.bool("prune") {
        return fail(
            "--prune is not supported by this kubectl: delete what is not wanted with 'kubectl delete'",
        );
    }
    if cx.bool("force-conflicts") && !cx.bool("server-side") {
        return fail("--force-conflicts only works with --server-side");
    }
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    if cx.bool("server-side") && dry_run == DryRun::Client {
        return fail(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
        );
    }
    let selector = kube::selector::LabelSelector::parse(cx.text("selector"))
        .map_err(|e| Error::Message(e.to_string()))?;
    let items: Vec<Item> = source::from_files(cx)
        .await?
        .into_iter()
        .filter(|item| selector.matches(&item.object["metadata"]["labels"]))
        .collect();
    if items.is_empty() {
        return fail("no objects passed to apply");
    }
    let mut errors = Vec::new();
    for item in &items {
        let done = if cx.bool("server-side") {
            server_side(cx, item, dry_run).await
        } else {
            client_side(cx, item, dry_run).await
        };
        match done {
            Ok((object, happened)) => results.print(item.res, &object, happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

async fn server_side(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<(Value, &'static str)> {
    let manager = Some(cx.text("field-manager"))
        .filter(|m| !m.is_empty())
        .unwrap_or("kubectl");
    let path = with_dry_run(Target::new(item.path()), dry_run)
        .with("fieldManager", manager)
        .with("fieldValidation", "Strict")
        .with(
            "force",
            if cx.bool("force-conflicts") {
                "true"
            } else {
                "false"
            },
        )
        .finish();
    let body = kube::gofmt::json_compact(&item.object);
    match cx.client()?.patch(&path, APPLY_PATCH, body).await {
        Ok(object) => Ok((object, "serverside-applied")),
        Err(e) if e.is_conflict() => fail(format!(
            "{e}\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the `--force-conflicts` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"
        )),
        Err(e) => Err(e),
    }
}

/// What an object would be after `apply`, as far as the server pretends.
///
/// # Errors
/// The server's.
pub async fn preview(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<(Value, &'static str)> {
    client_side(cx, item, dry_run).await
}

async fn client_side(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<(Value, &'static str)> {
    let mut modified = item.object.clone();
    save_config(&mut modified);
    let generate = item.name.is_empty();
    if generate {
        let prefix = text(&item.object, "metadata.generateName");
        return fail(if prefix.is_empty() {
            "resource name may not be empty".to_owned()
        } else {
            format!("from {prefix}: cannot use generate name with apply")
        });
    }
    for _ in 0..MOST_TRIES {
        let current = match cx.client()?.get(&item.path()).await {
            Ok(current) => current,
            Err(e) if e.is_not_found() => return create(cx, item, modified, dry_run).await,
            Err(e) => {
                return Err(explain_get(item, e));
            }
        };
        match patch_existing(cx, item, &modified, &current, dry_run).await {
            Err(e) if e.is_conflict() => continue,
            Err(e) if (e.is_conflict() || e.reason() == "Invalid") && cx.bool("force") => {
                return replace_by_force(cx, item, modified, dry_run).await;
            }
            done => return done,
        }
    }
    fail(format!(
        "the object {} keeps changing; try again",
        item.display()
    ))
}

fn explain_get(item: &Item, e: Error) -> Error {
    match e {
        Error::Status(mut status) => {
            let message = format!(
                "error when retrieving current configuration of:\n{}\nfrom server for: {}: {}",
                describe(item),
                kube::gofmt::quote(&item.source),
                text(&status, "message")
            );
            status["message"] = Value::from(message);
            Error::Status(status)
        }
        other => other,
    }
}

/// `Resource: "/v1, Resource=configmaps", GroupVersionKind: "/v1, Kind=ConfigMap"\nName: "x", Namespace: "y"`
fn describe(item: &Item) -> String {
    let r = item.res;
    format!(
        "Resource: \"{0}/{1}, Resource={2}\", GroupVersionKind: \"{0}/{1}, Kind={3}\"\nName: \"{4}\", Namespace: \"{5}\"",
        r.group, r.version, r.plural, r.kind, item.name, item.namespace
    )
}

fn explain_patch(item: &Item, patch: &Value, e: Error) -> Error {
    match e {
        Error::Status(mut status) => {
            let source = kube::gofmt::quote(&item.source);
            let message = format!(
                "error when applying patch:\n{}\nto:\n{}\nfor: {source}: error when patching {source}: {}",
                kube::gofmt::json_compact(patch),
                describe(item),
                text(&status, "message")
            );
            status["message"] = Value::from(message);
            Error::Status(status)
        }
        other => other,
    }
}

async fn create(
    cx: &Cx,
    item: &Item,
    modified: Value,
    dry_run: DryRun,
) -> Outcome<(Value, &'static str)> {
    if dry_run == DryRun::Client {
        return Ok((modified, "created"));
    }
    let mut target = creation_target(cx, item.collection(), dry_run);
    if cx.text("field-manager").is_empty() {
        target = target.with("fieldManager", "kubectl-client-side-apply");
    }
    let created = cx.client()?.post(&target.finish(), &modified).await;
    let created = created.map_err(|e| e.with_source("creating", &item.source))?;
    Ok((created, "created"))
}

async fn patch_existing(
    cx: &Cx,
    item: &Item,
    modified: &Value,
    current: &Value,
    dry_run: DryRun,
) -> Outcome<(Value, &'static str)> {
    let last = annotation(current, LAST_APPLIED);
    if last.is_empty() && dry_run != DryRun::Client {
        eprintln!(
            "Warning: resource {}/{} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.",
            item.res.plural, item.name
        );
    }
    if dry_run == DryRun::Client {
        // Google's does not even look whether anything would change.
        return Ok((current.clone(), "configured"));
    }
    let original: Value = serde_json::from_str(last).unwrap_or(Value::Null);
    let shape = kube::schema::root(item.res);
    let patch = kube::threeway::patch(&original, modified, current, shape.as_deref());
    if patch == json!({}) {
        return Ok((current.clone(), "unchanged"));
    }
    let manager = Some(cx.text("field-manager")).filter(|m| !m.is_empty());
    let path = with_dry_run(Target::new(item.path()), dry_run)
        .with(
            "fieldManager",
            manager.unwrap_or("kubectl-client-side-apply"),
        )
        .with("fieldValidation", "Strict")
        .finish();
    let media_type = if shape.is_some() {
        STRATEGIC_PATCH
    } else {
        MERGE_PATCH
    };
    let after = cx
        .client()?
        .patch(&path, media_type, kube::gofmt::json_compact(&patch))
        .await
        .map_err(|e| {
            if e.is_conflict() {
                e
            } else {
                explain_patch(item, &patch, e)
            }
        })?;
    Ok((after, "configured"))
}

/// `--force`: what cannot be patched is deleted and made anew.
async fn replace_by_force(
    cx: &Cx,
    item: &Item,
    modified: Value,
    dry_run: DryRun,
) -> Outcome<(Value, &'static str)> {
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "propagationPolicy": "Background"});
    cx.client()?.delete(&item.path(), &options).await?;
    super::until::gone(cx, item, "", std::time::Duration::from_secs(300)).await?;
    let (object, _) = create(cx, item, modified, dry_run).await?;
    Ok((object, "configured"))
}

/// Runs `kubectl apply view-last-applied`.
///
/// # Errors
/// The command line's, the server's.
pub async fn view_last_applied(cx: &Cx) -> Outcome {
    let (items, errors) = source::resolve(
        cx,
        cx.args(),
        Wanted {
            by_selector: true,
            fetch: true,
        },
    )
    .await?;
    for item in items {
        let last = annotation(&item.object, LAST_APPLIED);
        if last.is_empty() {
            return fail(format!(
                "no last-applied-configuration annotation found on resource: {}",
                item.name
            ));
        }
        let value: Value = serde_json::from_str(last).unwrap_or(Value::Null);
        match cx.text("output") {
            "json" => put(&kube::gofmt::json_pretty(&value).replace("    ", "  "))?,
            "yaml" => put(&kube::yaml::to_string(&value))?,
            other => {
                return usage(
                    "apply view-last-applied",
                    format!(
                        "Unexpected -o output mode: {other}, the flag 'output' must be one of yaml|json"
                    ),
                );
            }
        }
    }
    Error::collect(errors)
}
