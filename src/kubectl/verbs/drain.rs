//! `kubectl drain`: which Pods of a node go, and how they go, all side by side.
//!
//! Reference: `kubectl/pkg/drain` of Kubernetes 1.32.

use super::node::suffix;
use super::until;
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::print::{DryRun, with_dry_run};
use crate::source::{self, Item};
use futures_util::future::join_all;
use kube::object::{controller_of, list, name, namespace, text};
use kube::request::Target;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

enum Fate {
    Evict(Option<String>),
    Skip(Option<String>),
    Refuse(&'static str),
}

const DAEMON: &str = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)";
const LOCAL: &str = "Pods with local storage (use --delete-emptydir-data to override)";
/// Google's says "cannot delete" twice of these.
const BARE: &str = "cannot delete Pods that declare no controller (use --force to override)";

fn fate(cx: &Cx, pod: &Value) -> Fate {
    let finished = matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
    if !kube::object::annotation(pod, "kubernetes.io/config.mirror").is_empty() {
        return Fate::Skip(None);
    }
    let owner = controller_of(pod);
    if owner.is_some_and(|o| text(o, "kind") == "DaemonSet") {
        if finished {
            return Fate::Evict(None);
        }
        return if cx.bool("ignore-daemonsets") {
            Fate::Skip(Some("ignoring DaemonSet-managed Pods".to_owned()))
        } else {
            Fate::Refuse(DAEMON)
        };
    }
    let mut warning = None;
    let local = list(pod, "spec.volumes")
        .iter()
        .any(|v| v.get("emptyDir").is_some());
    if local && !finished && !(cx.bool("delete-emptydir-data") || cx.bool("delete-local-data")) {
        return Fate::Refuse(LOCAL);
    }
    if owner.is_none() && !finished {
        if !cx.bool("force") {
            return Fate::Refuse(BARE);
        }
        warning = Some("deleting Pods that declare no controller".to_owned());
    }
    Fate::Evict(warning)
}

/// What happens to the Pods of a node.
#[derive(Default)]
struct Plan {
    evict: Vec<Value>,
    refused: Vec<(String, Vec<String>)>,
    warnings: Vec<(String, Vec<String>)>,
}

/// Adds the Pod to those of which the same is said.
fn note(said: &mut Vec<(String, Vec<String>)>, why: &str, pod: &Value) {
    let id = format!("{}/{}", namespace(pod), name(pod));
    match said.iter_mut().find(|(known, _)| known == why) {
        Some((_, pods)) => pods.push(id),
        None => said.push((why.to_owned(), vec![id])),
    }
}

async fn plan(cx: &Cx, node: &Item) -> Outcome<Plan> {
    let path = Target::new("/api/v1/pods")
        .with("fieldSelector", &format!("spec.nodeName={}", node.name))
        .with_some("labelSelector", cx.text("pod-selector"))
        .finish();
    let all = cx.client()?.get(&path).await?;
    let mut plan = Plan::default();
    for pod in list(&all, "items") {
        match fate(cx, pod) {
            Fate::Refuse(why) => note(&mut plan.refused, why, pod),
            Fate::Skip(why) => {
                if let Some(why) = why {
                    note(&mut plan.warnings, &why, pod);
                }
            }
            Fate::Evict(why) => {
                if let Some(why) = why {
                    note(&mut plan.warnings, &why, pod);
                }
                plan.evict.push(pod.clone());
            }
        }
    }
    Ok(plan)
}

/// Empties one node.
///
/// # Errors
/// Pods that may not go, or did not in time.
pub async fn node(cx: &Cx, node: &Item, dry_run: DryRun) -> Outcome {
    let plan = plan(cx, node).await?;
    let refused = plan.refused.iter().map(|(why, pods)| {
        let pods = pods.join(", ");
        Error::Message(format!("cannot delete {why}: {pods}"))
    });
    Error::collect(refused.collect())?;
    if !plan.warnings.is_empty() {
        let shown: Vec<String> = plan
            .warnings
            .iter()
            .map(|(why, pods)| format!("{why}: {}", pods.join(", ")))
            .collect();
        eprintln!("Warning: {}", shown.join("; "));
    }
    let limit = Limit::of(cx);
    let going = plan.evict.iter().map(|pod| one(cx, pod, dry_run, &limit));
    let errors = join_all(going).await.into_iter().filter_map(Result::err);
    let Err(e) = Error::collect(errors.collect()) else {
        return Ok(());
    };
    let left = self::plan(cx, node).await?.evict;
    if !left.is_empty() {
        eprintln!(
            "There are pending pods in node {} when an error occurred: {e}",
            kube::gofmt::quote(&node.name)
        );
        for pod in left {
            eprintln!("pod/{}", name(&pod));
        }
    }
    Err(e)
}

/// When the patience of the whole command ends.
struct Limit {
    end: Instant,
    shown: String,
}

impl Limit {
    fn of(cx: &Cx) -> Self {
        let given = cx
            .flags
            .duration("timeout")
            .filter(|limit| !limit.is_zero());
        let limit = given.unwrap_or(Duration::from_secs(7 * 24 * 3600));
        Self {
            end: Instant::now() + limit,
            shown: gowords::duration(limit),
        }
    }

    fn reached(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// How long a Pod that a disruption budget protects is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends one Pod away and waits until it is gone.
async fn one(cx: &Cx, pod: &Value, dry_run: DryRun, limit: &Limit) -> Outcome {
    let (space, pod_name) = (namespace(pod), name(pod));
    let direct = cx.bool("disable-eviction");
    let word = if direct { "deleting" } else { "evicting" };
    loop {
        say(format!("{word} pod {space}/{pod_name}{}", suffix(dry_run)))?;
        if dry_run == DryRun::Client {
            return Ok(());
        }
        if limit.reached() {
            return fail(format!(
                "error when evicting pods/\"{pod_name}\" -n \"{space}\": global timeout reached: {}",
                limit.shown
            ));
        }
        match send_away(cx, pod, dry_run).await {
            Ok(()) => break,
            Err(e) if e.is_not_found() => return Ok(()),
            // A disruption budget says: not now.
            Err(e) if e.reason() == "TooManyRequests" => {
                eprintln!(
                    "error when evicting pods/\"{pod_name}\" -n \"{space}\" (will retry after 5s): {e}"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => {
                return fail(format!(
                    "error when evicting pods/\"{pod_name}\" -n \"{space}\": {e}"
                ));
            }
        }
    }
    if dry_run != DryRun::None {
        return Ok(());
    }
    let res = super::create::known("v1", "Pod")?;
    let item = source::fetched(res, pod.clone());
    let left = limit.end.saturating_duration_since(Instant::now());
    let gone = until::gone(cx, &item, kube::object::uid(&item.object), left).await;
    if let Err(e) = gone {
        let why = if limit.reached() {
            format!("global timeout reached: {}", limit.shown)
        } else {
            e.to_string()
        };
        return fail(format!(
            "error when waiting for pod \"{pod_name}\" in namespace \"{space}\" to terminate: {why}"
        ));
    }
    say(format!(
        "pod/{pod_name} {}",
        if direct { "deleted" } else { "evicted" }
    ))
}

async fn send_away(cx: &Cx, pod: &Value, dry_run: DryRun) -> Outcome {
    let (space, pod_name) = (namespace(pod), name(pod));
    let mut options = json!({});
    let grace = cx.flags.int("grace-period");
    if grace >= 0 {
        options["gracePeriodSeconds"] = Value::from(grace);
    }
    let path = format!("/api/v1/namespaces/{space}/pods/{pod_name}");
    let client = cx.client()?;
    if cx.bool("disable-eviction") {
        let target = with_dry_run(Target::new(path), dry_run).finish();
        return client.delete(&target, &options).await.map(drop);
    }
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod_name, "namespace": space}, "deleteOptions": options,
    });
    let target = with_dry_run(Target::new(format!("{path}/eviction")), dry_run).finish();
    client.post(&target, &eviction).await.map(drop)
}
