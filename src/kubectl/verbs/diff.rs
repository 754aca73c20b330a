//! `kubectl diff`.
//!
//! Reference: `kubectl/pkg/cmd/diff/diff.go` of Kubernetes 1.32.

use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::print::DryRun;
use crate::source;
use serde_json::Value;
use std::path::Path;

/// Runs `kubectl diff`: exit status 0 without differences, 1 with, more for
/// failures.
///
/// # Errors
/// The command line's, the server's, the comparing program's status.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.flags.given("filename") && !cx.flags.given("kustomize") {
        return fail("must specify one of -f and -k");
    }
    let live = tempfile::Builder::new().prefix("LIVE-").tempdir()?;
    let merged = tempfile::Builder::new().prefix("MERGED-").tempdir()?;
    for item in source::from_files(cx).await? {
        let name = format!(
            "{}{}.{}.{}.{}",
            if item.res.group.is_empty() {
                String::new()
            } else {
                format!("{}.", item.res.group)
            },
            item.res.version,
            item.res.kind,
            item.namespace,
            item.name
        );
        match cx.client()?.get(&item.path()).await {
            Ok(object) => write(live.path(), &name, &object)?,
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(worse(e)),
        }
        let (object, _) = super::apply::preview(cx, &item, DryRun::Server)
            .await
            .map_err(worse)?;
        write(merged.path(), &name, &object)?;
    }
    let external = std::env::var("KUBECTL_EXTERNAL_DIFF").unwrap_or_default();
    let mut words = external.split_whitespace();
    let program = words.next().unwrap_or("diff");
    let flags: Vec<&str> = if external.is_empty() {
        vec!["-u", "-N"]
    } else {
        words.collect()
    };
    let status = std::process::Command::new(program)
        .args(flags)
        .arg(live.path())
        .arg(merged.path())
        .status();
    match status.map(|s| s.code()) {
        Ok(Some(0)) => Ok(()),
        Ok(Some(1)) => Err(Error::Exit(1)),
        Ok(code) => fail(format!(
            "failed to run \"{program}\": exit status {}",
            code.unwrap_or(-1)
        )),
        Err(e) => fail(format!(
            "failed to run \"{program}\": {}",
            gowords::errno(&e)
        )),
    }
}

/// Failures must not look like differences: their exit status is 2.
fn worse(e: Error) -> Error {
    let (message, _) = e.report();
    eprintln!("{message}");
    Error::Exit(2)
}

/// An object as YAML; secret values are masked.
fn write(directory: &Path, name: &str, object: &Value) -> Outcome {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove(super::LAST_APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if object["kind"] == "Secret"
        && let Some(data) = object.get_mut("data").and_then(Value::as_object_mut)
    {
        data.values_mut()
            .for_each(|value| *value = Value::from("***"));
    }
    std::fs::write(directory.join(name), kube::yaml::to_string(&object))?;
    Ok(())
}
