//! `kubectl get`.
//!
//! Reference: `kubectl/pkg/cmd/get/get.go` of Kubernetes 1.32.

use crate::cx::{Cx, put, put_bytes};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::mapping::{self, Res};
use crate::print::table::{self, Options};
use crate::print::tabwriter::TABLE;
use crate::print::{Format, sort};
use crate::source::{self, Item, Selection};
use http::Method;
use kube::object::{list, text};
use kube::request::Target;
use serde_json::{Value, json};

/// The media types with which the server is asked for a table.
pub const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

/// One request of the command: a collection or a named object.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub res: Res,
    /// Empty: all namespaces, or a cluster-scoped kind.
    pub namespace: String,
    /// Empty: all objects.
    pub name: String,
}

impl Query {
    /// Path and query of the request.
    pub fn target(&self, cx: &Cx) -> Target {
        let mut path = self.res.path(&self.namespace, &self.name);
        if !cx.text("subresource").is_empty() {
            path = format!("{path}/{}", cx.text("subresource"));
        }
        if !self.name.is_empty() {
            return Target::new(path);
        }
        Target::new(path)
            .with_some("fieldSelector", cx.text("field-selector"))
            .with_some("labelSelector", cx.text("selector"))
    }
}

/// Runs `kubectl get`.
///
/// # Errors
/// The command line's, the server's.
pub async fn run(cx: &Cx) -> Outcome {
    if !cx.text("raw").is_empty() {
        let body = cx
            .client()?
            .bytes(
                Method::GET,
                cx.text("raw"),
                &[("accept", "application/json, */*")],
                "",
            )
            .await?;
        return put_bytes(&body);
    }
    let format = Format::from_flags(cx, true)?;
    let watching = cx.bool("watch") || cx.bool("watch-only");
    if watching && !cx.text("sort-by").is_empty() {
        eprintln!(
            "warning: --watch requested, --sort-by will be ignored for watch events received"
        );
    }
    if cx.bool("output-watch-events") && !watching {
        return usage(
            "get",
            "--output-watch-events option can only be used with --watch or --watch-only",
        );
    }
    if cx.bool("show-labels") && !format.is_table() {
        return fail(
            "--show-labels option cannot be used with custom output formats".replace(
                "custom output formats",
                &format!(
                    "{} printer",
                    cx.text("output").split('=').next().unwrap_or_default()
                ),
            ),
        );
    }
    let queries = queries(cx).await?;
    if watching {
        return super::watch::run(cx, &format, &queries).await;
    }
    if format.is_table() && cx.bool("server-print") {
        return tables(cx, &queries, &format).await;
    }
    objects(cx, &queries, &format).await
}

async fn queries(cx: &Cx) -> Outcome<Vec<Query>> {
    let everywhere = cx.bool("all-namespaces");
    let selector = !cx.text("selector").is_empty() || !cx.text("field-selector").is_empty();
    let from_item = |item: &Item| Query {
        res: item.res,
        namespace: item.namespace.clone(),
        name: item.name.clone(),
    };
    if cx.flags.given("filename") || cx.flags.given("kustomize") {
        if !cx.args().is_empty() {
            return fail(format!(
                "when paths, URLs, or stdin is provided as resource input, you may not specify resource arguments as well: [{}]",
                cx.args().join(" ")
            ));
        }
        return Ok(source::from_files(cx)
            .await?
            .iter()
            .map(from_item)
            .collect());
    }
    if cx.args().is_empty() {
        eprint!(
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\n"
        );
        return usage(
            "get",
            "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).",
        );
    }
    match source::from_args(cx, cx.args()).await? {
        Selection::Named(_) if everywhere => {
            fail("a resource cannot be retrieved by name across all namespaces")
        }
        Selection::Named(_) if !cx.text("selector").is_empty() => {
            fail("name cannot be provided when a selector is specified")
        }
        Selection::Named(_) if selector => fail(
            "name cannot be provided when a field selector is specified"
                .replace("field selector", "selector"),
        ),
        Selection::Named(items) => Ok(items.iter().map(from_item).collect()),
        Selection::Kinds(kinds) => {
            let namespace = cx.namespace()?;
            Ok(kinds
                .into_iter()
                .map(|res| Query {
                    res,
                    namespace: if res.namespaced && !everywhere {
                        namespace.clone()
                    } else {
                        String::new()
                    },
                    name: String::new(),
                })
                .collect())
        }
    }
}

/// Options of a kind's table.
pub(super) fn options(cx: &Cx, format: &Format, res: Res, several_kinds: bool) -> Options {
    Options {
        wide: matches!(format, Format::Wide),
        no_headers: cx.bool("no-headers"),
        with_namespace: cx.bool("all-namespaces") && res.namespaced,
        with_kind: if several_kinds || cx.bool("show-kind") {
            mapping::kind_group(res)
        } else {
            String::new()
        },
        show_labels: cx.bool("show-labels"),
        label_columns: cx
            .flags
            .list("label-columns")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        with_event: cx.bool("output-watch-events"),
    }
}

/// Whether the server's failure means that nothing is there and that is fine.
fn tolerated(cx: &Cx, error: &Error) -> bool {
    error.is_not_found() && cx.bool("ignore-not-found")
}

/// Fetches a collection page by page into one table, or a single object.
pub(super) async fn table(cx: &Cx, query: &Query) -> Outcome<Value> {
    let object = if cx.text("sort-by").is_empty() {
        ""
    } else {
        "Object"
    };
    let mut target = query.target(cx).with_some("includeObject", object);
    if query.name.is_empty() {
        target = target.with_some(
            "limit",
            Some(cx.text("chunk-size"))
                .filter(|c| *c != "0")
                .unwrap_or_default(),
        );
    }
    let client = cx.client()?;
    let mut whole = client.get_as(&target.clone().finish(), AS_TABLE).await?;
    loop {
        let more = text(&whole, "metadata.continue").to_owned();
        if more.is_empty() || query.name.is_empty().eq(&false) {
            return Ok(whole);
        }
        let mut page = client
            .get_as(&target.clone().with("continue", &more).finish(), AS_TABLE)
            .await?;
        if let (Some(rows), Some(new)) = (whole["rows"].as_array_mut(), page["rows"].as_array_mut())
        {
            rows.append(new);
        }
        whole["metadata"] = page["metadata"].take();
    }
}

async fn tables(cx: &Cx, queries: &[Query], format: &Format) -> Outcome {
    let several = queries.windows(2).any(|pair| pair[0].res != pair[1].res);
    let mut groups: Vec<(Res, Vec<Value>, Vec<Value>)> = Vec::new();
    let mut errors = Vec::new();
    for query in queries {
        match table(cx, query).await {
            Ok(mut table) => {
                if table["kind"] != "Table" {
                    return fail("the server did not answer with a table; use -o yaml or -o json");
                }
                let columns = list(&table, "columnDefinitions").to_vec();
                let rows = table["rows"]
                    .as_array_mut()
                    .map(std::mem::take)
                    .unwrap_or_default();
                match groups.last_mut() {
                    Some((res, _, known)) if *res == query.res => known.extend(rows),
                    _ => groups.push((query.res, columns, rows)),
                }
            }
            Err(e) if tolerated(cx, &e) => {}
            Err(e) => errors.push(e),
        }
    }
    let mut written = false;
    for (res, columns, mut rows) in groups {
        if rows.is_empty() {
            continue;
        }
        if !cx.text("sort-by").is_empty() {
            match sort::sort_by(&mut rows, cx.text("sort-by"), |row| &row["object"]) {
                // Rows that all lack the field stay as they are.
                Err(Error::Message(why)) if why.starts_with("couldn't find any field") => {}
                done => done?,
            }
        }
        let lines = table::lines(&columns, &rows, &options(cx, format, res, several), "");
        let mut out = String::new();
        if written && !cx.bool("no-headers") {
            out.push('\n');
        }
        let body: Vec<String> = lines.header.into_iter().chain(lines.rows).collect();
        out.push_str(&TABLE.format(&(body.join("\n") + "\n")));
        put(&out)?;
        written = true;
    }
    if !written && errors.is_empty() && !cx.bool("ignore-not-found") {
        say_nothing_found(cx, queries)?;
    }
    Error::collect(errors)
}

fn say_nothing_found(cx: &Cx, queries: &[Query]) -> Outcome {
    let namespaced = !cx.bool("all-namespaces") && queries.iter().all(|q| q.res.namespaced);
    if namespaced {
        eprintln!("No resources found in {} namespace.", cx.namespace()?);
    } else {
        eprintln!("No resources found");
    }
    Ok(())
}

async fn objects(cx: &Cx, queries: &[Query], format: &Format) -> Outcome {
    let mut items: Vec<Value> = Vec::new();
    let mut errors = Vec::new();
    let single = matches!(queries, [only] if !only.name.is_empty());
    for query in queries {
        let found = if query.name.is_empty() {
            source::list(cx, query.res, query.namespace.is_empty())
                .await
                .map(|found| found.into_iter().map(|item| item.object).collect())
        } else {
            cx.client()?
                .get(&query.target(cx).finish())
                .await
                .map(|object| vec![object])
        };
        match found {
            Ok(found) => items.extend::<Vec<Value>>(found),
            Err(e) if tolerated(cx, &e) => {}
            Err(e) => errors.push(e),
        }
    }
    if items.is_empty() && (!errors.is_empty() || single) {
        return Error::collect(errors);
    }
    if !cx.text("sort-by").is_empty() {
        sort::sort_by(&mut items, cx.text("sort-by"), |item| item)?;
    }
    let nothing = items.is_empty();
    let whole = match items.len() {
        1 if single => items.remove(0),
        _ => {
            json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
        }
    };
    put(&format.render(cx, &whole)?)?;
    if nothing && matches!(format, Format::Name) {
        // Names of nothing are nothing, also on standard error.
    }
    Error::collect(errors)
}
