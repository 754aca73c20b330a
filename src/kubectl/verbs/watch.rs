//! `kubectl get --watch`.

use super::get::{AS_TABLE, Query, options, table};
use crate::cx::{Cx, put};
use crate::error::{Outcome, fail};
use crate::print::Format;
use crate::print::table::{self as tables};
use crate::print::tabwriter::TABLE;
use kube::object::{list, text};
use serde_json::{Value, json};

/// Prints what is there, then every change.
pub(super) async fn run(cx: &Cx, format: &Format, queries: &[Query]) -> Outcome {
    let [query] = queries else {
        return fail("you may only specify a single resource type");
    };
    let mut printer = Printer {
        cx,
        format,
        query,
        columns: Vec::new(),
        widths: Vec::new(),
        headed: false,
    };
    let accept = if format.is_table() {
        AS_TABLE
    } else {
        "application/json"
    };
    let mut collection = query.clone();
    collection.name.clear();
    let version = if format.is_table() {
        let mut first = table(cx, query).await?;
        printer.columns = list(&first, "columnDefinitions").to_vec();
        let version = version_of(query, &first);
        if !cx.bool("watch-only") {
            let rows = first["rows"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default();
            printer.rows(&rows, "ADDED")?;
        }
        version
    } else {
        let first = cx.client()?.get(&query.target(cx).finish()).await?;
        if !cx.bool("watch-only") {
            for object in objects(query, &first) {
                printer.object(&object, "ADDED")?;
            }
        }
        text(&first, "metadata.resourceVersion").to_owned()
    };
    let mut target = collection.target(cx);
    if !query.name.is_empty() {
        target = target.with("fieldSelector", &format!("metadata.name={}", query.name));
    }
    let path = target
        .with("resourceVersion", &version)
        .with("watch", "true")
        .finish();
    let mut stream = cx.client()?.stream(&path, accept).await?;
    while let Some(event) = stream.event().await? {
        let kind = text(&event, "type");
        if kind == "BOOKMARK" {
            continue;
        }
        let object = &event["object"];
        if object["kind"] == "Table" {
            let columns = list(object, "columnDefinitions");
            if !columns.is_empty() {
                printer.columns = columns.to_vec();
            }
            printer.rows(tables::rows(object), kind)?;
        } else {
            printer.object(object, kind)?;
        }
    }
    Ok(())
}

/// The version from which to watch: the list's, or the single object's.
fn version_of(query: &Query, first: &Value) -> String {
    let version = text(first, "metadata.resourceVersion");
    if version.is_empty() && !query.name.is_empty() {
        text(&first["rows"][0], "object.metadata.resourceVersion").to_owned()
    } else {
        version.to_owned()
    }
}

fn objects(query: &Query, answer: &Value) -> Vec<Value> {
    if query.name.is_empty() {
        let items = list(answer, "items").iter();
        items
            .map(|item| crate::source::fetched(query.res, item.clone()).object)
            .collect()
    } else {
        vec![answer.clone()]
    }
}

struct Printer<'a> {
    cx: &'a Cx,
    format: &'a Format,
    query: &'a Query,
    columns: Vec<Value>,
    /// The widest cell of each column so far: columns never shrink again.
    widths: Vec<usize>,
    headed: bool,
}

impl Printer<'_> {
    fn rows(&mut self, rows: &[Value], event: &str) -> Outcome {
        if rows.is_empty() {
            return Ok(());
        }
        let options = options(self.cx, self.format, self.query.res, false);
        let lines = tables::lines(&self.columns, rows, &options, event);
        let mut all = lines.rows;
        if !self.headed
            && let Some(header) = lines.header
        {
            all.insert(0, header);
        }
        self.headed = true;
        for line in &all {
            let cells: Vec<&str> = line.split('\t').collect();
            for (i, cell) in cells.iter().enumerate().take(cells.len().saturating_sub(1)) {
                let width = (cell.chars().count() + TABLE.padding).max(TABLE.min_width);
                match self.widths.get_mut(i) {
                    Some(known) => *known = width.max(*known),
                    None => self.widths.push(width),
                }
            }
        }
        let mut out = String::new();
        for line in &all {
            let cells: Vec<&str> = line.split('\t').collect();
            for (i, cell) in cells.iter().enumerate() {
                out.push_str(cell);
                if i + 1 < cells.len() {
                    let blanks = self.widths[i].saturating_sub(cell.chars().count());
                    (0..blanks).for_each(|_| out.push(' '));
                }
            }
            out.push('\n');
        }
        put(&out)
    }

    fn object(&mut self, object: &Value, event: &str) -> Outcome {
        let shown = if self.cx.bool("output-watch-events") {
            json!({"type": event, "object": object})
        } else {
            object.clone()
        };
        match self.format {
            Format::Yaml => {
                let start = if self.headed { "---\n" } else { "" };
                self.headed = true;
                put(&format!("{start}{}", self.format.render(self.cx, &shown)?))
            }
            Format::Columns(columns) => {
                let mut rows = String::new();
                columns.header(self.cx.bool("no-headers") || self.headed, &mut rows);
                self.headed = true;
                columns.row(object, &mut rows)?;
                put(&TABLE.format(&rows))
            }
            other => put(&other.render(self.cx, &shown)?),
        }
    }
}
