//! `kubectl scale`.
//!
//! Reference: `kubectl/pkg/cmd/scale/scale.go` of Kubernetes 1.32.

use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::print::{DryRun, Results, dry_run, with_dry_run};
use crate::source::{self, Item, Wanted};
use kube::object::text;
use kube::request::Target;
use serde_json::{Value, json};

/// Runs `kubectl scale`.
///
/// # Errors
/// The command line's, the server's, a precondition that does not hold.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.flags.given("replicas") {
        return fail("required flag(s) \"replicas\" not set");
    }
    let replicas = cx.flags.int("replicas");
    if replicas < 0 {
        return fail(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        );
    }
    if cx.args().is_empty() && !cx.flags.given("filename") {
        return usage(
            "scale",
            "resource(s) were provided, but no name was specified",
        );
    }
    let results = Results::new(cx)?;
    let dry_run = dry_run(cx)?;
    let wanted = Wanted {
        by_selector: true,
        fetch: true,
    };
    let (items, mut errors) = source::resolve(cx, cx.args(), wanted).await?;
    if items.is_empty() {
        let why = Error::collect(errors).err().map(|e| e.to_string());
        return fail(format!(
            "no objects passed to scale {}",
            why.unwrap_or_else(|| "<nil>".to_owned())
        ));
    }
    let version = cx.text("resource-version");
    if items.len() > 1 && !version.is_empty() {
        return fail("cannot use --resource-version with multiple resources");
    }
    for item in items {
        match one(cx, &item, replicas, dry_run).await {
            Ok(object) => results.print(item.res, &object, "scaled")?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

async fn one(cx: &Cx, item: &Item, replicas: i64, dry_run: DryRun) -> Outcome<Value> {
    if !item.res.subresources.contains(&"scale") {
        return Err(Error::Status(json!({
            "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404,
            "message": "the server could not find the requested resource",
        })));
    }
    let current = cx.flags.int("current-replicas");
    let version = cx.text("resource-version");
    if current >= 0 || !version.is_empty() {
        let live = item.object["spec"]["replicas"].as_i64().unwrap_or(1);
        if current >= 0 && current != live {
            return fail(format!("Expected replicas to be {current}, was {live}"));
        }
        let now = text(&item.object, "metadata.resourceVersion");
        if !version.is_empty() && version != now {
            return fail(format!(
                "Expected resource version to be {version}, was {now}"
            ));
        }
    }
    if dry_run == DryRun::Client {
        return Ok(item.object.clone());
    }
    let path = with_dry_run(Target::new(format!("{}/scale", item.path())), dry_run).finish();
    let mut patch = json!({"spec": {"replicas": replicas}});
    if !version.is_empty() {
        patch["metadata"] = json!({"resourceVersion": version});
    }
    cx.client()?
        .patch(&path, crate::client::MERGE_PATCH, patch.to_string())
        .await?;
    Ok(item.object.clone())
}
