//! `kubectl rollout history`.

use super::{replica_sets, targets};
use crate::cx::{Cx, put};
use crate::error::{Error, Outcome, fail};
use crate::print::Format;
use crate::print::tabwriter::DESCRIBE;
use crate::source::Item;
use kube::object::annotation;
use serde_json::Value;

const CAUSE: &str = "kubernetes.io/change-cause";

pub(super) async fn run(cx: &Cx) -> Outcome {
    let revision = cx.flags.int("revision");
    if revision < 0 {
        return fail(format!("revision must be a positive integer: {revision}"));
    }
    let format = Format::from_flags(cx, false)?;
    let (items, mut errors) = targets(cx).await?;
    for item in items {
        match one(cx, &item, revision, &format).await {
            Ok(text) => put(&text)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}

async fn one(cx: &Cx, item: &Item, revision: i64, format: &Format) -> Outcome<String> {
    if item.res.kind != "Deployment" {
        return fail(super::no_revisions(item, "history viewer"));
    }
    let sets = replica_sets(cx, item).await?;
    if !matches!(format, Format::Plain) {
        let wanted = sets
            .iter()
            .rev()
            .find(|(r, _)| revision == 0 || *r == revision);
        return match wanted {
            Some((_, set)) => {
                let set = crate::source::fetched(
                    super::super::create::known("apps/v1", "ReplicaSet")?,
                    set.clone(),
                );
                format.render(cx, &set.object)
            }
            None => fail("unable to find the specified revision"),
        };
    }
    let name = item.display();
    if revision > 0 {
        let Some((_, set)) = sets.iter().find(|(r, _)| *r == revision) else {
            return fail("unable to find the specified revision");
        };
        let mut shown = set["spec"]["template"].clone();
        let cause = annotation(set, CAUSE);
        if !cause.is_empty() {
            shown["metadata"]["annotations"][CAUSE] = Value::from(cause);
        }
        return Ok(format!(
            "{name} with revision #{revision}\n{}\n",
            template(&shown)
        ));
    }
    if sets.is_empty() {
        return Ok(format!("{name} \nNo rollout history found.\n"));
    }
    let mut table = String::from("REVISION\tCHANGE-CAUSE\n");
    for (revision, set) in &sets {
        let cause = annotation(set, CAUSE);
        let cause = if cause.is_empty() { "<none>" } else { cause };
        table.push_str(&format!("{revision}\t{cause}\n"));
    }
    Ok(format!("{name} \n{}\n", DESCRIBE.format(&table)))
}

/// A Pod template as `describe` shows it.
pub(super) fn template(template: &Value) -> String {
    let mut out = crate::verbs::describe::Page::default();
    crate::verbs::describe::pod_template(&mut out, 0, template);
    out.finish()
}
