//! Arguments of commands: types, `TYPE NAME`, `TYPE/NAME`, Pods, nodes, contexts.

use super::values::{containers, entries, objects};
use crate::cx::Cx;
use crate::mapping;
use completion::{Answer, Directive};
use kube::kubeconfig::Section;

/// What has Pods that can be looked into.
const WITH_PODS: [&str; 8] = [
    "daemonsets",
    "deployments",
    "pods",
    "jobs",
    "replicasets",
    "replicationcontrollers",
    "services",
    "statefulsets",
];

/// What can be scaled.
const SCALABLE: &[&str] = &[
    "deployment",
    "replicaset",
    "replicationcontroller",
    "statefulset",
];

/// What can be rolled out.
const ROLLED_OUT: &[&str] = &["deployment", "daemonset", "statefulset"];

/// What may stand as the next argument of the command, where it begins with `last`.
pub async fn of(cx: &Cx, last: &str) -> Answer {
    let names_one =
        matches!(cx.args(), [_, _, ..]) || cx.args().first().is_some_and(|arg| arg.contains('/'));
    match cx.command {
        // They take one object alone.
        "rollout status" | "set image" if names_one => Answer::of(Vec::new(), Directive::NoFiles),
        "annotate"
        | "apply view-last-applied"
        | "delete"
        | "describe"
        | "edit"
        | "get"
        | "label"
        | "patch" => types_and_names(cx, &[], last).await,
        "rollout history" | "rollout restart" | "rollout status" | "rollout undo" => {
            types_and_names(cx, ROLLED_OUT, last).await
        }
        "rollout pause" | "rollout resume" => types_and_names(cx, &["deployment"], last).await,
        "scale" | "autoscale" => types_and_names(cx, SCALABLE, last).await,
        "expose" => {
            let types = [
                "pod",
                "service",
                "replicationcontroller",
                "deployment",
                "replicaset",
            ];
            types_and_names(cx, &types, last).await
        }
        "set image" => {
            let types = [
                "daemonsets",
                "deployments",
                "pods",
                "cronjobs",
                "replicasets",
                "replicationcontrollers",
                "statefulsets",
            ];
            types_and_names(cx, &types, last).await
        }
        "taint" => types_and_names(cx, &["node"], last).await,
        "cordon" | "drain" | "top node" | "uncordon" => names_once(cx, "nodes", last).await,
        "top pod" => names_once(cx, "pods", last).await,
        "exec" | "logs" => pods_and_containers(cx, last).await,
        "config delete-context"
        | "config rename-context"
        | "config set-context"
        | "config use-context" => entry_once(cx, Section::Contexts, last),
        "config delete-cluster" => entry_once(cx, Section::Clusters, last),
        "config delete-user" => entry_once(cx, Section::Users, last),
        "completion" if cx.args().is_empty() => {
            let shells = ["powershell", "bash", "zsh", "fish"];
            let shells = shells.iter().filter(|shell| shell.starts_with(last));
            Answer::words(shells.map(|&shell| shell.into()), Directive::NoFiles)
        }
        _ => Answer::of(Vec::new(), Directive::Default),
    }
}

/// `TYPE[,TYPE] NAME…` or `TYPE/NAME…`, of these types only where some are given.
async fn types_and_names(cx: &Cx, types: &[&str], last: &str) -> Answer {
    let args = cx.args();
    if let Some((first, others)) = args.split_first()
        && !first.contains('/')
    {
        let mut names = objects(cx, first, last).await;
        names.retain(|name| !others.contains(name));
        return Answer::words(names, Directive::NoFiles);
    }
    if let Some((of, start)) = last.split_once('/') {
        let mut names = slashed(cx, of, start).await;
        names.retain(|name| !args.contains(name));
        return Answer::words(names, Directive::NoFiles);
    }
    let offered = match types.is_empty() {
        true => resource_types(cx, last).await,
        false => types
            .iter()
            .filter(|name| name.starts_with(last))
            .map(|&name| name.to_owned())
            .collect(),
    };
    match args.is_empty() {
        true => Answer::words(offered, Directive::NoFiles),
        false => {
            let slashed = offered.into_iter().map(|name| format!("{name}/"));
            Answer::words(slashed, Directive::NoSpaceNoFiles)
        }
    }
}

/// Names of a type as `TYPE/NAME`.
async fn slashed(cx: &Cx, of: &str, start: &str) -> Vec<String> {
    let names = objects(cx, of, start).await.into_iter();
    names.map(|name| format!("{of}/{name}")).collect()
}

/// Types that can be read, by the names that `api-resources -o name` prints. What stands
/// before the last comma stays.
async fn resource_types(cx: &Cx, last: &str) -> Vec<String> {
    let (before, start) = match last.rfind(',') {
        Some(comma) => last.split_at(comma + 1),
        None => ("", last),
    };
    // Without a server there is nothing to offer.
    let mut all = mapping::discover(cx).await.unwrap_or_default();
    all.retain(|res| res.verbs.contains(&"get"));
    all.sort_by_key(|res| (res.group, res.plural));
    all.iter()
        .map(|res| res.qualified())
        .filter(|name| name.starts_with(start))
        .map(|name| format!("{before}{name}"))
        .collect()
}

/// A Pod, or what has Pods; then one of its containers, where the command takes one.
async fn pods_and_containers(cx: &Cx, last: &str) -> Answer {
    let names = match (cx.command, cx.args()) {
        (_, []) => return pods(cx, last).await,
        ("logs", [pod]) => containers(cx, Some(pod), last).await,
        _ => Vec::new(),
    };
    Answer::words(names, Directive::NoFiles)
}

async fn pods(cx: &Cx, last: &str) -> Answer {
    if let Some((of, start)) = last.split_once('/') {
        return Answer::words(slashed(cx, of, start).await, Directive::NoFiles);
    }
    let mut words = objects(cx, "pods", last).await;
    // A name may follow the slash of what has Pods; a Pod's name ends there.
    let directive = match words.is_empty() {
        true => Directive::NoSpaceNoFiles,
        false => Directive::NoFiles,
    };
    let others = WITH_PODS.iter().filter(|name| name.starts_with(last));
    words.extend(others.map(|name| format!("{name}/")));
    Answer::words(words, directive)
}

/// The names of one type, for the first argument alone.
async fn names_once(cx: &Cx, of: &str, last: &str) -> Answer {
    let names = match cx.args() {
        [] => objects(cx, of, last).await,
        _ => Vec::new(),
    };
    Answer::words(names, Directive::NoFiles)
}

/// A name of the kubeconfig, for the first argument alone.
fn entry_once(cx: &Cx, section: Section, last: &str) -> Answer {
    match cx.args() {
        [] => entries(cx, section, last),
        _ => Answer::of(Vec::new(), Directive::NoFiles),
    }
}
