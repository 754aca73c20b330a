//! `kubectl delete`.
//!
//! Reference: `kubectl/pkg/cmd/delete/delete.go` of Kubernetes 1.32.

use super::until;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::mapping;
use crate::print::{DryRun, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use http::Method;
use kube::request::Target;
use serde_json::{Value, json};
use std::time::Duration;

/// How objects are deleted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seconds of grace; the server's default when negative.
    pub grace: i64,
    /// `Background`, `Foreground` or `Orphan`.
    pub cascade: &'static str,
    /// Pretend.
    pub dry_run: DryRun,
}

impl Options {
    /// The body of the request.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": self.cascade,
        });
        if self.grace >= 0 {
            body["gracePeriodSeconds"] = Value::from(self.grace);
        }
        body
    }
}

/// The value of `--cascade`.
///
/// # Errors
/// Any other word.
pub fn cascade(cx: &Cx) -> Outcome<&'static str> {
    match cx.text("cascade") {
        "background" => Ok("Background"),
        "foreground" => Ok("Foreground"),
        "orphan" => Ok("Orphan"),
        "true" => {
            eprintln!(
                "warning: --cascade=true is deprecated (boolean value) and can be replaced with --cascade=background."
            );
            Ok("Background")
        }
        "false" => {
            eprintln!(
                "warning: --cascade=false is deprecated (boolean value) and can be replaced with --cascade=orphan."
            );
            Ok("Orphan")
        }
        other => fail(format!(
            "Invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\"."
        )),
    }
}

/// Runs `kubectl delete`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.text("raw").is_empty() {
        let body = cx
            .client()?
            .bytes(Method::DELETE, cx.text("raw"), &[], "")
            .await?;
        return crate::cx::put_bytes(&body);
    }
    let output = cx.text("output");
    if !matches!(output, "" | "name") {
        return fail(format!(
            "unexpected -o output mode: {output}. We only support '-o name'"
        ));
    }
    if cx.bool("interactive") {
        return fail("--interactive is not supported by this kubectl");
    }
    let options = options(cx)?;
    let wanted = Wanted {
        by_selector: true,
        fetch: false,
    };
    let (items, mut errors) = source::resolve(cx, cx.args(), wanted).await?;
    let scoped = cx.bool("all-namespaces") || cx.namespace_enforced();
    if scoped && items.iter().any(|i| !i.res.namespaced) {
        eprintln!(
            "Warning: deleting cluster-scoped resources, not scoped to the provided namespace"
        );
    }
    if options.grace == 0 && options.dry_run == DryRun::None && cx.bool("force") {
        eprintln!(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely."
        );
    }
    let nothing = items.is_empty();
    let tolerant = cx.bool("ignore-not-found") || cx.bool("all") || !cx.text("selector").is_empty();
    let mut deleted: Vec<(Item, String)> = Vec::new();
    for item in items {
        match delete_one(cx, &item, &options).await {
            Ok(uid) => {
                announce(cx, &item, &options)?;
                deleted.push((item, uid));
            }
            Err(e) if e.is_not_found() && tolerant => {}
            Err(e) => errors.push(e.with_source("deleting", &item.source)),
        }
    }
    if nothing && errors.is_empty() {
        say("No resources found")?;
    }
    if cx.bool("wait") && options.dry_run == DryRun::None && errors.is_empty() {
        let limit = match cx.flags.duration("timeout") {
            Some(limit) if !limit.is_zero() => limit,
            // Google's waits a week.
            _ => Duration::from_secs(7 * 24 * 3600),
        };
        for (item, uid) in &deleted {
            if let Err(e) = until::gone(cx, item, uid, limit).await {
                // Whoever may delete but not look has nothing to wait for.
                if !matches!(e.reason(), "Forbidden" | "MethodNotAllowed") {
                    errors.push(e);
                }
            }
        }
    }
    Error::collect(errors)
}

fn options(cx: &Cx) -> Outcome<Options> {
    let mut grace = cx.flags.int("grace-period");
    if cx.bool("now") {
        if grace != -1 {
            return fail("--now and --grace-period cannot be specified together");
        }
        grace = 1;
    }
    if cx.bool("force") {
        if grace > 0 {
            return fail("--force and --grace-period greater than 0 cannot be specified together");
        }
        grace = 0;
    } else if grace == 0 {
        // Without --force, 0 would lose data by accident.
        grace = 1;
    }
    Ok(Options {
        grace,
        cascade: cascade(cx)?,
        dry_run: dry_run(cx)?,
    })
}

/// Deletes and returns the object's UID as far as the server told it.
pub async fn delete_one(cx: &Cx, item: &Item, options: &Options) -> Outcome<String> {
    if options.dry_run == DryRun::Client {
        cx.client()?.get(&item.path()).await?;
        return Ok(String::new());
    }
    let path = with_dry_run(Target::new(item.path()), options.dry_run).finish();
    let answer = cx.client()?.delete(&path, &options.body()).await?;
    let uid = if answer["kind"] == "Status" {
        &answer["details"]["uid"]
    } else {
        &answer["metadata"]["uid"]
    };
    Ok(uid.as_str().unwrap_or_default().to_owned())
}

fn announce(cx: &Cx, item: &Item, options: &Options) -> Outcome {
    if cx.text("output") == "name" {
        return say(item.display());
    }
    let forced = if options.grace == 0 {
        "force deleted"
    } else {
        "deleted"
    };
    let suffix = match options.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    say(format!(
        "{} \"{}\" {forced}{suffix}",
        mapping::kind_group(item.res),
        item.name
    ))
}
