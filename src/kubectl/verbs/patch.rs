//! `kubectl patch`.
//!
//! Reference: `kubectl/pkg/cmd/patch/patch.go` of Kubernetes 1.32.

use crate::client::{JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use kube::request::Target;
use serde_json::Value;

/// Runs `kubectl patch`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    let (inline, file) = (cx.text("patch"), cx.text("patch-file"));
    if inline.is_empty() == file.is_empty() {
        return fail(if inline.is_empty() {
            "must specify --patch or --patch-file containing the contents of the patch"
        } else {
            "cannot specify --patch and --patch-file together"
        });
    }
    let media_type = match cx.text("type").to_lowercase().as_str() {
        "json" => JSON_PATCH,
        "merge" => MERGE_PATCH,
        "strategic" => STRATEGIC_PATCH,
        _ => {
            return fail(format!(
                "--type must be one of [json merge strategic], not {}",
                kube::gofmt::quote(cx.text("type"))
            ));
        }
    };
    let text = if file.is_empty() {
        inline.to_owned()
    } else {
        std::fs::read_to_string(file).map_err(|e| {
            Error::Message(format!(
                "unable to read patch file: open {file}: {}",
                gowords::errno(&e)
            ))
        })?
    };
    let patch = kube::yaml::parse_one(&text).map_err(|e| {
        Error::Message(format!(
            "unable to parse {}: {e}",
            kube::gofmt::quote(&text)
        ))
    })?;
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let local = cx.bool("local");
    let (items, mut errors) = source::resolve(
        cx,
        cx.args(),
        Wanted {
            by_selector: false,
            fetch: !local,
        },
    )
    .await?;
    if items.is_empty() && errors.is_empty() {
        return fail("no objects passed to patch");
    }
    for item in items {
        match one(
            cx,
            &item,
            media_type,
            &patch,
            if local { DryRun::Client } else { dry_run },
        )
        .await
        {
            Ok(after) => {
                let changed = after != item.object;
                results.print(
                    item.res,
                    &after,
                    if changed {
                        "patched"
                    } else {
                        "patched (no change)"
                    },
                )?;
            }
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

async fn one(
    cx: &Cx,
    item: &Item,
    media_type: &str,
    patch: &Value,
    dry_run: DryRun,
) -> Outcome<Value> {
    if dry_run == DryRun::Client {
        return apply_here(item, media_type, patch);
    }
    let mut path = item.path();
    if !cx.text("subresource").is_empty() {
        path = format!("{path}/{}", cx.text("subresource"));
    }
    let path = with_dry_run(Target::new(path), dry_run)
        .with("fieldManager", cx.text("field-manager"))
        .finish();
    cx.client()?
        .patch(&path, media_type, kube::gofmt::json_compact(patch))
        .await
}

fn apply_here(item: &Item, media_type: &str, patch: &Value) -> Outcome<Value> {
    let failed = |e: kube::patch::PatchError| Error::Message(e.to_string());
    match media_type {
        JSON_PATCH => kube::patch::json_patch(&item.object, patch).map_err(failed),
        MERGE_PATCH => Ok(kube::patch::merge_patch(&item.object, patch)),
        _ => match kube::schema::root(item.res) {
            Some(shape) => {
                kube::patch::strategic_merge(&item.object, patch, &shape).map_err(failed)
            }
            None => fail(format!(
                "strategic merge patch is not supported for {} locally, try --type merge",
                item.res.kind
            )),
        },
    }
}
