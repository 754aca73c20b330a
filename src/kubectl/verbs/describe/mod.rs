//! `kubectl describe`.
//!
//! Reference: `kubectl/pkg/describe/describe.go` of Kubernetes 1.32. Maps that
//! Google's prints in random order come sorted here.

mod generic;
mod node;
mod others;
mod pod;
mod policy;
mod workload;

use crate::cx::{Cx, now, put};
use crate::error::{Error, Outcome, fail};
use crate::print::tabwriter::DESCRIBE;
use crate::source::{self, Item, Selection};
use kube::object::{list, text};
use kube::request::Target;
use serde_json::Value;
use std::fmt::Write as _;

pub use pod::template as pod_template;

/// Annotations longer than this go on lines of their own.
const LONGEST_ANNOTATION: usize = 140;

/// Lines with levels of indentation and tabs between columns.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    /// What is laid out already: later lines do not widen its columns.
    done: String,
}

impl Page {
    /// Adds a line, indented by two blanks a level.
    pub fn line(&mut self, level: usize, line: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{}{line}", "  ".repeat(level));
    }

    /// Lays out what was added so far.
    pub fn flush(&mut self) {
        self.done.push_str(&DESCRIBE.format(&self.text));
        self.text.clear();
    }

    /// The laid out text.
    pub fn finish(mut self) -> String {
        self.flush();
        self.done
    }

    /// `Labels:  a=b` with one label a line.
    pub fn labels(&mut self, title: &str, labels: &Value) {
        let pairs: Vec<String> = labels
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
            .collect();
        self.rows(title, &pairs);
    }

    /// A titled list, one entry a line under the first.
    pub fn rows(&mut self, title: &str, rows: &[String]) {
        if rows.is_empty() {
            self.line(0, format!("{title}:\t<none>"));
        }
        for (i, row) in rows.iter().enumerate() {
            self.line(
                0,
                if i == 0 {
                    format!("{title}:\t{row}")
                } else {
                    format!("\t{row}")
                },
            );
        }
    }

    /// Annotations, without the one in which `apply` keeps its configuration.
    pub fn annotations(&mut self, title: &str, annotations: &Value) {
        let mut rows = Vec::new();
        for (key, value) in annotations.as_object().into_iter().flatten() {
            if key == super::LAST_APPLIED {
                continue;
            }
            let value = value.as_str().unwrap_or_default();
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 > LONGEST_ANNOTATION || value.contains('\n') {
                rows.push(format!("{key}:"));
                rows.extend(
                    value
                        .split('\n')
                        .map(|line| format!("  {}", shorten(line, LONGEST_ANNOTATION - 2))),
                );
            } else {
                rows.push(format!("{key}: {value}"));
            }
        }
        self.rows(title, &rows);
    }

    /// Name and, for namespaced objects, namespace.
    fn name(&mut self, object: &Value, namespaced: bool) {
        self.line(0, format!("Name:\t{}", kube::object::name(object)));
        if namespaced {
            self.line(
                0,
                format!("Namespace:\t{}", kube::object::namespace(object)),
            );
        }
    }

    /// Labels and annotations of an object.
    fn meta(&mut self, object: &Value) {
        self.labels("Labels", &object["metadata"]["labels"]);
        self.annotations("Annotations", &object["metadata"]["annotations"]);
    }

    /// The table of events, oldest first.
    fn events(&mut self, events: Option<&[Value]>) {
        let Some(events) = events else { return };
        if events.is_empty() {
            self.line(0, "Events:\t<none>");
            return;
        }
        self.flush();
        let mut events = events.to_vec();
        events.sort_by(|a, b| text(a, "lastTimestamp").cmp(text(b, "lastTimestamp")));
        self.line(0, "Events:");
        self.line(1, "Type\tReason\tAge\tFrom\tMessage");
        self.line(1, "----\t------\t----\t----\t-------");
        for event in events {
            let source = match text(&event, "source.component") {
                "" => text(&event, "reportingComponent"),
                component => component,
            };
            let message = text(&event, "message").trim();
            self.line(
                1,
                format!(
                    "{}\t{}\t{}\t{source}\t{message}",
                    text(&event, "type"),
                    text(&event, "reason"),
                    interval(&event)
                ),
            );
        }
    }
}

/// `5s`, `2m (x3 over 5m)`
pub fn interval(event: &Value) -> String {
    let first = match text(event, "eventTime") {
        "" => since(text(event, "firstTimestamp")),
        time => since(time),
    };
    let count = event["count"].as_i64().unwrap_or(0);
    if event["series"].is_object() {
        let last = since(text(event, "series.lastObservedTime"));
        format!(
            "{last} (x{} over {first})",
            event["series"]["count"].as_i64().unwrap_or(0)
        )
    } else if count > 1 {
        format!(
            "{} (x{count} over {first})",
            since(text(event, "lastTimestamp"))
        )
    } else {
        first
    }
}

/// The time since then in one or two units.
pub fn since(time: &str) -> String {
    if time.is_empty() {
        "<unknown>".to_owned()
    } else {
        kube::time::age(time, now())
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}...", &text[..end])
}

/// `Mon, 02 Jan 2006 15:04:05 -0700` in the local zone; Go's zero time when
/// there is none.
fn date(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(at) => at
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%a, %d %b %Y %H:%M:%S %z")
            .to_string(),
        Err(_) => "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
    }
}

/// `True` or `False`.
fn capital(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Runs `kubectl describe`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    let mut errors = Vec::new();
    let mut items = Vec::new();
    let mut prefixes = Vec::new();
    if cx.flags.given("filename") || cx.flags.given("kustomize") {
        for mut item in source::from_files(cx).await? {
            match cx.client()?.get(&item.path()).await {
                Ok(object) => {
                    item.object = object;
                    items.push(item);
                }
                Err(e) => errors.push(e),
            }
        }
    } else {
        if cx.args().is_empty() {
            return crate::flags::usage(
                "describe",
                "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported resources.\n",
            );
        }
        match source::from_args(cx, cx.args()).await? {
            Selection::Named(_) if !cx.text("selector").is_empty() => {
                return fail("name cannot be provided when a selector is specified");
            }
            Selection::Named(_) if cx.bool("all-namespaces") => {
                return fail("a resource cannot be retrieved by name across all namespaces");
            }
            Selection::Named(named) => {
                for item in named {
                    let name = item.name.clone();
                    match by_name_or_prefix(cx, item).await {
                        Ok(found) => {
                            for item in found {
                                if item.name != name {
                                    prefixes.push(items.len());
                                }
                                items.push(item);
                            }
                        }
                        Err(e) => errors.push(e),
                    }
                }
            }
            Selection::Kinds(kinds) => {
                for res in kinds {
                    match source::list(cx, res, cx.bool("all-namespaces")).await {
                        Ok(found) => items.extend(found),
                        Err(e) => errors.push(e),
                    }
                }
            }
        }
    }
    for (i, item) in items.iter().enumerate() {
        let mut page = describe(cx, item).await?;
        // As Google's: what was found by a prefix ends in one more line.
        if prefixes.contains(&i) {
            page.push('\n');
        }
        put(&format!("{}{page}", if i > 0 { "\n\n" } else { "" }))?;
    }
    if items.is_empty() && errors.is_empty() {
        if cx.bool("all-namespaces") {
            eprintln!("No resources found");
        } else {
            eprintln!("No resources found in {} namespace.", cx.namespace()?);
        }
    }
    Error::collect(errors)
}

/// The named object or, failing that, all whose names begin with the name.
async fn by_name_or_prefix(cx: &Cx, mut item: Item) -> Outcome<Vec<Item>> {
    match cx.client()?.get(&item.path()).await {
        Ok(object) => {
            item.object = object;
            Ok(vec![item])
        }
        Err(e) if e.is_not_found() => {
            let mut all = source::list(cx, item.res, false).await.unwrap_or_default();
            all.retain(|other| other.name.starts_with(&item.name));
            if all.is_empty() { Err(e) } else { Ok(all) }
        }
        Err(e) => Err(e),
    }
}

async fn describe(cx: &Cx, item: &Item) -> Outcome<String> {
    let object = &item.object;
    let events = if cx.bool("show-events") {
        events_of(cx, item).await
    } else {
        None
    };
    let events = events.as_deref();
    let mut page = Page::default();
    match (item.res.group, item.res.kind) {
        ("", "Pod") => pod::pod(&mut page, object, events),
        ("", "Node") => node::node(cx, &mut page, object, events).await?,
        ("apps", "Deployment") => workload::deployment(cx, &mut page, object, events).await?,
        ("apps", "ReplicaSet") => workload::replica_set(cx, &mut page, object, events).await?,
        ("apps", "DaemonSet") => workload::daemon_set(cx, &mut page, object, events).await?,
        ("", "Service") => others::service(cx, &mut page, object, events).await?,
        ("", "Namespace") => others::namespace(cx, &mut page, object).await?,
        ("", "ConfigMap") => others::config_map(&mut page, object, events),
        ("", "Secret") => others::secret(&mut page, object),
        ("", "ServiceAccount") => others::service_account(cx, &mut page, object, events).await?,
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => others::role(&mut page, object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            others::binding(&mut page, object)
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            policy::request(&mut page, object, events);
        }
        ("policy", "PodDisruptionBudget") => policy::budget(&mut page, object, events),
        _ => generic::any(&mut page, object, events),
    }
    Ok(page.finish())
}

async fn events_of(cx: &Cx, item: &Item) -> Option<Vec<Value>> {
    let object = &item.object;
    let mut selector = format!(
        "involvedObject.name={},involvedObject.kind={}",
        item.name, item.res.kind
    );
    if !item.namespace.is_empty() {
        selector.push_str(&format!(",involvedObject.namespace={}", item.namespace));
    }
    // Events of nodes carry the node's name in the place of its UID.
    let uid = kube::object::uid(object);
    if item.res.kind != "Node" && !uid.is_empty() {
        selector.push_str(&format!(",involvedObject.uid={uid}"));
    }
    let path = if item.namespace.is_empty() {
        "/api/v1/events".to_owned()
    } else {
        format!("/api/v1/namespaces/{}/events", item.namespace)
    };
    let answer = cx
        .client()
        .ok()?
        .get(&Target::new(path).with("fieldSelector", &selector).finish())
        .await
        .ok()?;
    Some(list(&answer, "items").to_vec())
}
