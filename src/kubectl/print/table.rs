//! Tables that the server made (`meta.k8s.io/v1` `Table`).
//!
//! Reference: `cli-runtime/pkg/printers/tableprinter.go` of Kubernetes 1.32.

use kube::object::{list, text};
use serde_json::Value;

/// What goes around the server's own columns.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Columns of lower priority too.
    pub wide: bool,
    /// No line of headers.
    pub no_headers: bool,
    /// A NAMESPACE column in front.
    pub with_namespace: bool,
    /// Names as `kind.group/name`; the text before the slash.
    pub with_kind: String,
    /// A LABELS column at the end.
    pub show_labels: bool,
    /// Columns for single labels.
    pub label_columns: Vec<String>,
    /// An EVENT column in front, of watch events.
    pub with_event: bool,
}

/// The lines of a table with tabs between cells.
pub struct Lines {
    /// The line of headers, unless hidden.
    pub header: Option<String>,
    /// A line for each row.
    pub rows: Vec<String>,
}

/// Lays out a table; `columns` are the definitions (a watch sends them once).
pub fn lines(columns: &[Value], rows: &[Value], options: &Options, event: &str) -> Lines {
    let shown: Vec<usize> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| options.wide || c["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(i, _)| i)
        .collect();
    let header = (!options.no_headers).then(|| {
        let mut cells: Vec<String> = Vec::new();
        if options.with_event {
            cells.push("EVENT".to_owned());
        }
        if options.with_namespace {
            cells.push("NAMESPACE".to_owned());
        }
        cells.extend(
            shown
                .iter()
                .map(|&i| text(&columns[i], "name").to_uppercase()),
        );
        cells.extend(
            options
                .label_columns
                .iter()
                .map(|label| label.rsplit('/').next().unwrap_or(label).to_uppercase()),
        );
        if options.show_labels {
            cells.push("LABELS".to_owned());
        }
        cells.join("\t")
    });
    let rows = rows
        .iter()
        .map(|row| line(columns, &shown, row, options, event))
        .collect();
    Lines { header, rows }
}

fn line(columns: &[Value], shown: &[usize], row: &Value, options: &Options, event: &str) -> String {
    let mut cells: Vec<String> = Vec::new();
    if options.with_event {
        cells.push(format!("{event:<10}"));
    }
    if options.with_namespace {
        cells.push(text(row, "object.metadata.namespace").to_owned());
    }
    for &i in shown {
        let value = &row["cells"][i];
        let mut cell = cell_text(value);
        if !options.with_kind.is_empty() && text(&columns[i], "format") == "name" {
            cell = format!("{}/{cell}", options.with_kind);
        }
        cells.push(cell);
    }
    let labels = row["object"]["metadata"]["labels"].as_object();
    for label in &options.label_columns {
        let value = labels.and_then(|l| l.get(label)).and_then(Value::as_str);
        cells.push(value.unwrap_or_default().to_owned());
    }
    if options.show_labels {
        let all: Vec<String> = labels
            .map(|l| {
                l.iter()
                    .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
                    .collect()
            })
            .unwrap_or_default();
        cells.push(if all.is_empty() {
            "<none>".to_owned()
        } else {
            all.join(",")
        });
    }
    cells.join("\t")
}

/// A cell on one line: what follows a line break is cut, control characters are
/// made harmless.
fn cell_text(value: &Value) -> String {
    let text = kube::gofmt::verb_v(value);
    let text = match text.find(['\n', '\r', '\u{c}']) {
        Some(at) => format!("{}...", &text[..at]),
        None => text,
    };
    text.replace('\u{1b}', "^[").replace('\t', " ")
}

/// The rows of a table.
pub fn rows(table: &Value) -> &[Value] {
    list(table, "rows")
}
