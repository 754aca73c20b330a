//! `kubectl api-resources`, `api-versions`, `cluster-info`, `events`, `top`,
//! `options`, `certificate`.
//!
//! Reference: the packages of these names in `kubectl/pkg/cmd` of Kubernetes
//! 1.32.

use super::describe::since;
use crate::cx::{Cx, put, say};
use crate::error::{Error, Outcome, fail};
use crate::mapping;
use crate::print::tabwriter::{LIST, TABLE};
use crate::print::{Format, Results};
use kube::object::{list, text};
use kube::request::Target;
use serde_json::{Value, json};
use std::io::IsTerminal as _;

/// Runs `api-resources`.
///
/// # Errors
/// The command line's, the server's.
pub async fn api_resources(cx: &Cx) -> Outcome {
    let output = cx.text("output");
    if !matches!(output, "" | "wide" | "name") {
        return fail(format!("--output {output} is not available"));
    }
    if !matches!(cx.text("sort-by"), "" | "name" | "kind") {
        return fail("--sort-by accepts only name or kind");
    }
    let mut all = mapping::discover(cx).await?;
    let wants_group = cx.flags.given("api-group");
    all.retain(|r| {
        (!wants_group || r.group == cx.text("api-group"))
            && (!cx.flags.given("namespaced") || r.namespaced == cx.bool("namespaced"))
            && cx
                .flags
                .list("verbs")
                .iter()
                .all(|verb| r.verbs.contains(verb))
            && cx
                .flags
                .list("categories")
                .iter()
                .all(|c| r.categories.contains(c))
            && !r.verbs.is_empty()
    });
    // Core resources first, then by group and name.
    match cx.text("sort-by") {
        "name" => all.sort_by_key(|r| r.plural),
        "kind" => all.sort_by_key(|r| r.kind),
        _ => all.sort_by_key(|r| (r.group, r.plural)),
    }
    let mut rows = String::new();
    if output != "name" && !cx.bool("no-headers") {
        rows.push_str("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND");
        rows.push_str(if output == "wide" {
            "\tVERBS\tCATEGORIES\n"
        } else {
            "\n"
        });
    }
    for r in all {
        if output == "name" {
            rows.push_str(&r.qualified());
            rows.push('\n');
            continue;
        }
        rows.push_str(&format!(
            "{}\t{}\t{}\t{}\t{}",
            r.plural,
            r.short_names.join(","),
            r.api_version(),
            r.namespaced,
            r.kind
        ));
        if output == "wide" {
            rows.push_str(&format!(
                "\t{}\t{}",
                r.verbs.join(","),
                r.categories.join(",")
            ));
        }
        rows.push('\n');
    }
    put(&LIST.format(&rows))
}

/// Runs `api-versions`.
///
/// # Errors
/// The server's.
pub async fn api_versions(cx: &Cx) -> Outcome {
    let groups = cx.client()?.get("/apis").await?;
    let core = cx.client()?.get("/api").await?;
    let mut versions: Vec<String> = list(&groups, "groups")
        .iter()
        .flat_map(|g| list(g, "versions"))
        .map(|v| text(v, "groupVersion").to_owned())
        .collect();
    versions.extend(
        list(&core, "versions")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned),
    );
    versions.sort();
    put(&(versions.join("\n") + "\n"))
}

/// Runs `cluster-info`.
///
/// # Errors
/// The server's.
pub async fn cluster_info(cx: &Cx) -> Outcome {
    if cx.args().first().is_some_and(|a| a == "dump") {
        return fail(
            "'kubectl cluster-info dump' is not supported by this kubectl: use 'kubectl get' and 'kubectl logs'",
        );
    }
    let path = Target::new("/api/v1/namespaces/kube-system/services")
        .with("labelSelector", "kubernetes.io/cluster-service=true")
        .finish();
    let client = cx.client()?;
    let services = client.get(&path).await?;
    // As Google's library does when standard output is no terminal: no colours.
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\u{1b}[0;{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    };
    let line =
        |name: &str, url: &str| format!("{} is running at {}", paint("32", name), paint("33", url));
    let url = client.url();
    say(line("Kubernetes control plane", &url))?;
    for service in list(&services, "items") {
        let name = kube::object::name(service);
        let shown = match kube::object::label(service, "kubernetes.io/name") {
            "" => name,
            label => label,
        };
        let port = match list(service, "spec.ports").first().map(|p| text(p, "name")) {
            None | Some("") => String::new(),
            Some(port) => format!(":{port}"),
        };
        say(line(
            shown,
            &format!(
                "{url}/api/v1/namespaces/{}/services/{name}{port}/proxy",
                kube::object::namespace(service)
            ),
        ))?;
    }
    say("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.")
}

/// Runs `events`.
///
/// # Errors
/// The command line's, the server's.
pub async fn events(cx: &Cx) -> Outcome {
    let everywhere = cx.bool("all-namespaces");
    let namespace = cx.namespace()?;
    let mut selector = String::new();
    let target = cx.text("for");
    if !target.is_empty() {
        let Some((kind, name)) = target.split_once('/') else {
            return fail("--for must be in resource/name form");
        };
        let res = mapping::by_name(cx, kind).await?;
        selector = format!(
            "involvedObject.kind={},involvedObject.name={name}",
            res.kind
        );
    }
    let types = cx.flags.list("types");
    for kind in &types {
        if !kind.eq_ignore_ascii_case("normal") && !kind.eq_ignore_ascii_case("warning") {
            return fail("valid --types are Normal or Warning");
        }
    }
    let path = if everywhere {
        "/api/v1/events".to_owned()
    } else {
        format!("/api/v1/namespaces/{namespace}/events")
    };
    let answer = cx
        .client()?
        .get(
            &Target::new(path.as_str())
                .with_some("fieldSelector", &selector)
                .with("limit", "500")
                .finish(),
        )
        .await?;
    let wanted = |e: &&Value| {
        types.is_empty()
            || types
                .iter()
                .any(|t| t.eq_ignore_ascii_case(text(e, "type")))
    };
    let mut all: Vec<Value> = list(&answer, "items")
        .iter()
        .filter(wanted)
        .cloned()
        .collect();
    all.sort_by(|a, b| last_seen(a).cmp(last_seen(b)));
    let format = Format::from_flags(cx, false)?;
    if !matches!(format, Format::Plain) {
        let items: Vec<Value> = all.into_iter().map(with_kind).collect();
        let whole =
            json!({"apiVersion": "v1", "items": items, "kind": "EventList", "metadata": {}});
        return put(&format.render(cx, &whole)?);
    }
    if all.is_empty() && !cx.bool("watch") {
        if everywhere {
            eprintln!("No events found.");
        } else {
            eprintln!("No events found in {namespace} namespace.");
        }
        return Ok(());
    }
    let mut rows = String::new();
    if !cx.bool("no-headers") {
        rows.push_str(if everywhere { "NAMESPACE\t" } else { "" });
        rows.push_str("LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n");
    }
    for event in &all {
        rows.push_str(&event_row(event, everywhere));
    }
    put(&TABLE.format(&rows))?;
    if !cx.bool("watch") {
        return Ok(());
    }
    let path = Target::new(path)
        .with_some("fieldSelector", &selector)
        .with("resourceVersion", text(&answer, "metadata.resourceVersion"))
        .with("watch", "true")
        .finish();
    let mut stream = cx.client()?.stream(&path, "application/json").await?;
    while let Some(event) = stream.event().await? {
        if matches!(text(&event, "type"), "ADDED" | "MODIFIED") && wanted(&&event["object"]) {
            put(&TABLE.format(&event_row(&event["object"], everywhere)))?;
        }
    }
    Ok(())
}

fn with_kind(mut event: Value) -> Value {
    event["apiVersion"] = Value::from("v1");
    event["kind"] = Value::from("Event");
    event
}

fn last_seen(event: &Value) -> &str {
    let series = text(event, "series.lastObservedTime");
    let last = text(event, "lastTimestamp");
    if !series.is_empty() {
        series
    } else if !last.is_empty() {
        last
    } else {
        text(event, "eventTime")
    }
}

fn event_row(event: &Value, everywhere: bool) -> String {
    let space = if everywhere {
        format!("{}\t", kube::object::namespace(event))
    } else {
        String::new()
    };
    let count = event["count"].as_i64().unwrap_or(0);
    let seen = if event["series"].is_object() || count > 1 {
        super::describe::interval(event)
    } else {
        since(last_seen(event))
    };
    format!(
        "{space}{seen}\t{}\t{}\t{}/{}\t{}\n",
        text(event, "type"),
        text(event, "reason"),
        text(event, "involvedObject.kind"),
        text(event, "involvedObject.name"),
        text(event, "message").trim()
    )
}

/// Runs `top`: the server here has no metrics, and kubectl says so.
///
/// # Errors
/// Always, unless the server serves metrics, which is not supported either.
pub async fn top(cx: &Cx) -> Outcome {
    let groups = cx.client()?.get("/apis").await?;
    let served = list(&groups, "groups")
        .iter()
        .any(|g| text(g, "name") == "metrics.k8s.io");
    fail(if served {
        "'kubectl top' is not supported by this kubectl, although the server has metrics"
    } else {
        "Metrics API not available"
    })
}

/// Runs `options`.
///
/// # Errors
/// Standard output cannot be written.
pub fn options() -> Outcome {
    put(&format!(
        "The following options can be passed to any command:\n\n{}",
        crate::commands::help::globals()
    ))
}

/// Runs `certificate approve` and `certificate deny`.
///
/// # Errors
/// The command line's, the server's.
pub async fn certificate(cx: &Cx) -> Outcome {
    let approve = cx.command == "certificate approve";
    let names: Vec<String> = if cx.args().is_empty() {
        crate::source::from_files(cx)
            .await?
            .into_iter()
            .map(|i| i.name)
            .collect()
    } else {
        cx.args().to_vec()
    };
    if names.is_empty() {
        return fail("one or more CSRs must be specified as <name> or -f <filename>");
    }
    let res = super::create::known("certificates.k8s.io/v1", "CertificateSigningRequest")?;
    let results = Results::new(cx)?;
    let (kind, reason, message, happened) = if approve {
        (
            "Approved",
            "KubectlApprove",
            "This CSR was approved by kubectl certificate approve.",
            "approved",
        )
    } else {
        (
            "Denied",
            "KubectlDeny",
            "This CSR was denied by kubectl certificate deny.",
            "denied",
        )
    };
    let mut errors = Vec::new();
    for name in names {
        let name = name.strip_prefix("csr/").unwrap_or(&name).to_owned();
        let done = async {
            let mut csr = cx.client()?.get(&res.path("", &name)).await?;
            if list(&csr, "status.conditions")
                .iter()
                .any(|c| text(c, "type") == kind)
                && !cx.bool("force")
            {
                return Ok(csr);
            }
            let now = kube::time::rfc3339(crate::cx::now());
            let condition = json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": now});
            if !csr["status"]["conditions"].is_array() {
                csr["status"]["conditions"] = json!([]);
            }
            if let Some(conditions) = csr["status"]["conditions"].as_array_mut() {
                conditions.push(condition);
            }
            cx.client()?
                .put(&format!("{}/approval", res.path("", &name)), &csr)
                .await
        };
        match done.await {
            Ok(csr) => results.print(res, &csr, happened)?,
            Err(e) => errors.push(e),
        }
    }
    Error::collect(errors)
}
