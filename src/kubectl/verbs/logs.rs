//! `kubectl logs`.
//!
//! Reference: `kubectl/pkg/cmd/logs/logs.go`,
//! `polymorphichelpers/logsforobject.go` of Kubernetes 1.32.

use super::pods;
use crate::cx::{Cx, put_bytes};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use kube::object::{annotation, list, name, text};
use kube::request::Target;
use serde_json::Value;

const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";

/// One stream of one container.
struct Source {
    path: String,
    prefix: String,
}

/// Runs `kubectl logs`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    let by_selector = !cx.text("selector").is_empty();
    let (mut container, target) = (cx.text("container").to_owned(), cx.args().first());
    match (cx.args().len(), by_selector) {
        (0, true) | (1, false) => {}
        (0, false) => return usage("logs", USAGE),
        (1, true) => return usage("logs", "only a selector (-l) or a POD name is allowed"),
        (2, _) => {
            if !container.is_empty() {
                return fail("only one of -c or an inline [CONTAINER] arg is allowed");
            }
            container.clone_from(&cx.args()[1]);
        }
        _ => return usage("logs", USAGE),
    }
    check(cx, &container)?;
    let everything = cx.bool("all-pods");
    let (found, prefix) = match target {
        Some(target) => (
            pods::of(cx, target, everything)
                .await
                .map_err(|e| not_found(cx, e))?,
            cx.bool("prefix") || everything,
        ),
        None => (
            pods::by_selector(cx, cx.text("selector"), &cx.namespace()?).await?,
            cx.bool("prefix"),
        ),
    };
    if found.is_empty() {
        eprintln!("No resources found in {} namespace.", cx.namespace()?);
        return Ok(());
    }
    let mut sources = Vec::new();
    for pod in &found {
        let containers = if cx.bool("all-containers")
            || everything && container.is_empty() && cx.bool("all-containers")
        {
            pods::containers(pod)
                .into_iter()
                .map(|c| name_of(c).to_owned())
                .collect()
        } else if container.is_empty() {
            vec![default(pod)]
        } else {
            if !pods::containers(pod)
                .iter()
                .any(|c| name_of(c) == container)
            {
                return fail(format!(
                    "container {container} is not valid for pod {}",
                    name(pod)
                ));
            }
            vec![container.clone()]
        };
        for container in containers {
            let prefix = if prefix {
                format!("[pod/{}/{container}] ", name(pod))
            } else {
                String::new()
            };
            sources.push(Source {
                path: path(cx, pod, &container, by_selector),
                prefix,
            });
        }
    }
    print(cx, sources).await
}

/// `logs` says it in words of its own.
fn not_found(cx: &Cx, e: Error) -> Error {
    if !e.is_not_found() {
        return e;
    }
    let namespace = cx.namespace().unwrap_or_default();
    Error::Message(format!(
        "error from server (NotFound): {e} in namespace {}",
        kube::gofmt::quote(&namespace)
    ))
}

fn name_of(container: &Value) -> &str {
    text(container, "name")
}

fn check(cx: &Cx, container: &str) -> Outcome {
    if cx.bool("all-containers") && !container.is_empty() {
        return fail(format!(
            "--all-containers=true should not be specified with container name {container}"
        ));
    }
    let since = cx.flags.duration("since");
    if since.is_none() {
        return fail("--since must be greater than 0");
    }
    if since.is_some_and(|s| !s.is_zero()) && !cx.text("since-time").is_empty() {
        return fail("at most one of `sinceTime` or `sinceSeconds` may be specified");
    }
    if cx.flags.given("limit-bytes") && cx.flags.int("limit-bytes") <= 0 {
        return fail("--limit-bytes must be greater than 0");
    }
    if cx.flags.int("tail") < -1 {
        return fail("--tail must be greater than or equal to -1");
    }
    Ok(())
}

/// The container whose logs are meant when none is named.
fn default(pod: &Value) -> String {
    let all = pods::containers(pod);
    let wished = annotation(pod, "kubectl.kubernetes.io/default-container");
    if !wished.is_empty() {
        if all.iter().any(|c| name_of(c) == wished) {
            return wished.to_owned();
        }
        eprintln!(
            "Default container name {} not found in pod {}",
            kube::gofmt::quote(wished),
            name(pod)
        );
    }
    let first = list(pod, "spec.containers")
        .first()
        .map(name_of)
        .unwrap_or_default()
        .to_owned();
    if all.len() > 1 {
        eprintln!(
            "Defaulted container {} out of: {}",
            kube::gofmt::quote(&first),
            pods::container_names(pod)
        );
    }
    first
}

fn path(cx: &Cx, pod: &Value, container: &str, by_selector: bool) -> String {
    let flag = |name: &str| if cx.bool(name) { "true" } else { "" };
    let since = cx
        .flags
        .duration("since")
        .map_or(0, |d| d.as_secs_f64().ceil() as u64);
    // Of several Pods, only the last lines are shown unless told otherwise.
    let tail = match cx.flags.int("tail") {
        -1 if by_selector && !cx.flags.given("tail") => "10".to_owned(),
        -1 => String::new(),
        n => n.to_string(),
    };
    Target::new(format!(
        "/api/v1/namespaces/{}/pods/{}/log",
        kube::object::namespace(pod),
        name(pod)
    ))
    .with_some("container", container)
    .with_some("follow", flag("follow"))
    .with_some(
        "insecureSkipTLSVerifyBackend",
        flag("insecure-skip-tls-verify-backend"),
    )
    .with_some(
        "limitBytes",
        if cx.flags.given("limit-bytes") {
            cx.text("limit-bytes")
        } else {
            ""
        },
    )
    .with_some("previous", flag("previous"))
    .with_some(
        "sinceSeconds",
        &if since > 0 {
            since.to_string()
        } else {
            String::new()
        },
    )
    .with_some("sinceTime", cx.text("since-time"))
    .with_some("tailLines", &tail)
    .with_some("timestamps", flag("timestamps"))
    .finish()
}

async fn print(cx: &Cx, sources: Vec<Source>) -> Outcome {
    let follow = cx.bool("follow");
    let most = usize::try_from(cx.flags.int("max-log-requests")).unwrap_or(0);
    if follow && sources.len() > 1 {
        if sources.len() > most {
            return fail(format!(
                "you are attempting to follow {} log streams, but maximum allowed concurrency is {most}, use --max-log-requests to increase the limit",
                sources.len()
            ));
        }
        let streams = sources.iter().map(|source| copy(cx, source));
        let outcomes = futures_util::future::join_all(streams).await;
        return Error::collect(outcomes.into_iter().filter_map(Result::err).collect());
    }
    for source in &sources {
        match copy(cx, source).await {
            Err(e) if cx.bool("ignore-errors") => crate::cx::say(format!("error: {e}"))?,
            done => done?,
        }
    }
    Ok(())
}

async fn copy(cx: &Cx, source: &Source) -> Outcome {
    let mut lines = cx
        .client()?
        .stream(&source.path, "application/json, */*")
        .await?;
    if source.prefix.is_empty() {
        while let Some(chunk) = lines.chunk().await? {
            put_bytes(&chunk)?;
        }
        return Ok(());
    }
    while let Some(line) = lines.line().await? {
        let mut whole = source.prefix.clone().into_bytes();
        whole.extend_from_slice(&line);
        whole.push(b'\n');
        put_bytes(&whole)?;
    }
    Ok(())
}

/// Follows a Pod's only container to its end.
///
/// # Errors
/// The server's.
pub async fn follow(cx: &Cx, namespace: &str, pod: &str) -> Outcome {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?follow=true");
    copy(
        cx,
        &Source {
            path,
            prefix: String::new(),
        },
    )
    .await
}
