//! `kubectl replace`.
//!
//! Reference: `kubectl/pkg/cmd/replace/replace.go` of Kubernetes 1.32.

use super::create::{creation_target, save_config};
use super::delete::{Options, cascade, delete_one};
use super::until;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::print::{DryRun, Results, dry_run};
use crate::source::{self, Item};
use serde_json::Value;
use std::time::Duration;

/// Runs `kubectl replace`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.flags.given("filename") && !cx.flags.given("kustomize") {
        return usage("replace", "must specify one of -f and -k");
    }
    if !cx.text("raw").is_empty() {
        return fail("--raw is not supported by 'kubectl replace' here; use -f");
    }
    let force = cx.bool("force");
    let grace = cx.flags.int("grace-period");
    if grace >= 0 && !force {
        return fail("--grace-period must have --force specified");
    }
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let items = source::from_files(cx).await?;
    if items.is_empty() {
        return fail("no objects passed to replace");
    }
    if force && dry_run == DryRun::None {
        return by_force(cx, &items, &results, grace).await;
    }
    let mut errors = Vec::new();
    for item in &items {
        match one(cx, item, dry_run).await {
            Ok(object) => results.print(item.res, &object, "replaced")?,
            Err(e) => errors.push(e.with_source("replacing", &item.source)),
        }
    }
    Error::collect(errors)
}

async fn one(cx: &Cx, item: &Item, dry_run: DryRun) -> Outcome<Value> {
    let mut object = item.object.clone();
    if cx.bool("save-config") || !kube::object::annotation(&object, super::LAST_APPLIED).is_empty()
    {
        save_config(&mut object);
    }
    if dry_run == DryRun::Client {
        return Ok(object);
    }
    let mut path = item.path();
    if !cx.text("subresource").is_empty() {
        path = format!("{path}/{}", cx.text("subresource"));
    }
    let path = creation_target(cx, path, dry_run).finish();
    cx.client()?.put(&path, &object).await
}

async fn by_force(cx: &Cx, items: &[Item], results: &Results<'_>, grace: i64) -> Outcome {
    let options = Options {
        grace: grace.max(0),
        cascade: cascade(cx)?,
        dry_run: DryRun::None,
    };
    for item in items {
        match delete_one(cx, item, &options).await {
            Ok(uid) => {
                if cx.text("output").is_empty() {
                    let word = if options.grace == 0 {
                        "force deleted"
                    } else {
                        "deleted"
                    };
                    say(format!(
                        "{} \"{}\" {word}",
                        crate::mapping::kind_group(item.res),
                        item.name
                    ))?;
                }
                let limit = cx.flags.duration("timeout").filter(|l| !l.is_zero());
                until::gone(cx, item, &uid, limit.unwrap_or(Duration::from_secs(300))).await?;
            }
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
    }
    for item in items {
        let mut object = item.object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
            metadata.remove("uid");
        }
        let path = creation_target(cx, item.collection(), DryRun::None).finish();
        let created = cx.client()?.post(&path, &object).await?;
        results.print(item.res, &created, "replaced")?;
    }
    Ok(())
}
