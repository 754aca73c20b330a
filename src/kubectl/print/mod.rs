//! Output formats.

pub mod columns;
pub mod sort;
pub mod table;
pub mod tabwriter;

use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::mapping::Res;
use kube::jsonpath::JsonPath;
use serde_json::Value;

/// What `-o` asks for.
#[derive(Debug)]
pub enum Format {
    /// The human-readable form of the command.
    Plain,
    /// The same with more columns.
    Wide,
    /// Indented JSON.
    Json,
    /// YAML.
    Yaml,
    /// `kind.group/name`.
    Name,
    /// A JSONPath template.
    JsonPath(Box<JsonPath>, String),
    /// Each part's results of a JSONPath template as a JSON array.
    JsonPathAsJson(Box<JsonPath>, String),
    /// Columns by expression.
    Columns(columns::Columns),
}

const GENERAL: &str = "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,yaml";
const GET: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml";

impl Format {
    /// From `-o` and `--template`. `get` knows more formats than other commands.
    ///
    /// # Errors
    /// An unknown format, a template that does not parse.
    pub fn from_flags(cx: &Cx, get: bool) -> Outcome<Self> {
        let output = cx.text("output");
        let template = if cx.flags.has("template") {
            cx.text("template")
        } else {
            ""
        };
        let (name, value) = match output.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (output, (!template.is_empty()).then_some(template)),
        };
        let name = if name.is_empty() && !template.is_empty() {
            "go-template"
        } else {
            name
        };
        let missing =
            || Error::Message("template format specified but no template given".to_owned());
        let file = |path: &str| {
            std::fs::read_to_string(path).map_err(|e| {
                let words = gowords::errno(&e);
                Error::Message(format!(
                    "error reading --template {path}, open {path}: {words}\n"
                ))
            })
        };
        let lenient =
            !cx.flags.has("allow-missing-template-keys") || cx.bool("allow-missing-template-keys");
        let jsonpath = |text: &str| -> Outcome<Box<JsonPath>> {
            let path = JsonPath::parse(text)
                .map_err(|e| Error::Message(format!("error parsing jsonpath {text}, {e}")))?;
            Ok(Box::new(path.allow_missing_keys(lenient)))
        };
        Ok(match name {
            "" => Self::Plain,
            "wide" if get => Self::Wide,
            "json" => Self::Json,
            "yaml" => Self::Yaml,
            "name" => Self::Name,
            "jsonpath" => {
                let text = value.ok_or_else(missing)?;
                Self::JsonPath(jsonpath(text)?, text.to_owned())
            }
            "jsonpath-file" => {
                let text = file(value.ok_or_else(missing)?)?;
                Self::JsonPath(jsonpath(&text)?, text)
            }
            "jsonpath-as-json" => {
                let text = value.ok_or_else(missing)?;
                Self::JsonPathAsJson(jsonpath(text)?, text.to_owned())
            }
            "go-template" | "template" | "go-template-file" | "templatefile" => {
                return fail(
                    "-o go-template is not supported by this kubectl; -o jsonpath, custom-columns and json are",
                );
            }
            "custom-columns" if get => {
                Self::Columns(columns::Columns::parse(value.unwrap_or_default())?)
            }
            "custom-columns-file" if get => {
                let path = value.unwrap_or_default();
                let text = std::fs::read_to_string(path).map_err(|e| {
                    Error::Message(format!(
                        "error reading template {path}, open {path}: {}",
                        gowords::errno(&e)
                    ))
                })?;
                Self::Columns(columns::Columns::parse_file(&text)?)
            }
            _ => {
                let allowed = if get { GET } else { GENERAL };
                return fail(format!(
                    "unable to match a printer suitable for the output format {}, allowed formats are: {allowed}",
                    kube::gofmt::quote(output)
                ));
            }
        })
    }

    /// Whether tables from the server are wanted.
    pub fn is_table(&self) -> bool {
        matches!(self, Self::Plain | Self::Wide)
    }

    /// One object in this format; tables are not made here.
    ///
    /// # Errors
    /// A template cannot be evaluated on the object.
    pub fn render(&self, cx: &Cx, object: &Value) -> Outcome<String> {
        Ok(match self {
            Self::Plain | Self::Wide => String::new(),
            Self::Json => kube::gofmt::json_pretty(&self.shown(cx, object)),
            Self::Yaml => kube::yaml::to_string(&self.shown(cx, object)),
            Self::Name => names(object),
            Self::JsonPath(path, text) => path
                .render(object)
                .map_err(|e| template_error(text, &e.to_string(), object))?,
            Self::JsonPathAsJson(path, text) => path
                .render_json(object)
                .map_err(|e| template_error(text, &e.to_string(), object))?,
            Self::Columns(columns) => {
                let mut rows = String::new();
                columns.header(
                    cx.flags.has("no-headers") && cx.bool("no-headers"),
                    &mut rows,
                );
                match object.get("items").and_then(Value::as_array) {
                    Some(items) => items
                        .iter()
                        .try_for_each(|item| columns.row(item, &mut rows))?,
                    None => columns.row(object, &mut rows)?,
                }
                tabwriter::TABLE.format(&rows)
            }
        })
    }

    /// The object without the bookkeeping that nobody asked to see.
    fn shown(&self, cx: &Cx, object: &Value) -> Value {
        let mut object = object.clone();
        if !(cx.flags.has("show-managed-fields") && cx.bool("show-managed-fields")) {
            strip_managed_fields(&mut object);
        }
        object
    }
}

fn strip_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(strip_managed_fields);
    }
}

fn template_error(text: &str, why: &str, object: &Value) -> Error {
    Error::Message(format!(
        "error executing jsonpath {}: Error executing template: {why}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t{text}\n\tobject given to jsonpath engine was:\n\t\t{}\n\n\n",
        kube::gofmt::quote(text),
        kube::gofmt::go_syntax(object)
    ))
}

fn names(object: &Value) -> String {
    if let Some(items) = object.get("items").and_then(Value::as_array) {
        return items.iter().map(names).collect();
    }
    let kind = kube::object::text(object, "kind").to_lowercase();
    let version = kube::object::text(object, "apiVersion");
    let group = version
        .split_once('/')
        .map_or(String::new(), |(group, _)| format!(".{group}"));
    format!("{kind}{group}/{}\n", kube::object::name(object))
}

/// Prints results of commands that change objects: `-o` forms of the object, or
/// `deployment.apps/web created`.
pub struct Results<'a> {
    cx: &'a Cx,
    format: Format,
    printed: std::cell::Cell<usize>,
    suffix: &'static str,
}

impl<'a> Results<'a> {
    /// By the command's `-o` and `--dry-run`.
    ///
    /// # Errors
    /// As [`Format::from_flags`].
    pub fn new(cx: &'a Cx) -> Outcome<Self> {
        let format = Format::from_flags(cx, false)?;
        let suffix = match dry_run(cx)? {
            DryRun::None => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        };
        Ok(Self {
            cx,
            format,
            printed: std::cell::Cell::new(0),
            suffix,
        })
    }

    /// Says what happened to an object.
    ///
    /// # Errors
    /// A template cannot be evaluated, or standard output be written.
    pub fn print(&self, res: Res, object: &Value, happened: &str) -> Outcome {
        let count = self.printed.get();
        self.printed.set(count + 1);
        match &self.format {
            Format::Plain => crate::cx::say(format!(
                "{} {happened}{}",
                crate::mapping::display(res, kube::object::name(object)),
                self.suffix
            )),
            Format::Yaml if count > 0 => {
                crate::cx::put(&format!("---\n{}", self.format.render(self.cx, object)?))
            }
            other => crate::cx::put(&other.render(self.cx, object)?),
        }
    }
}

/// How much of a change is pretended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Nothing.
    None,
    /// Nothing is sent.
    Client,
    /// The server pretends.
    Server,
}

/// The value of `--dry-run`.
///
/// # Errors
/// Any other word.
pub fn dry_run(cx: &Cx) -> Outcome<DryRun> {
    if !cx.flags.has("dry-run") {
        return Ok(DryRun::None);
    }
    match cx.text("dry-run") {
        "none" => Ok(DryRun::None),
        "client" => Ok(DryRun::Client),
        "server" => Ok(DryRun::Server),
        "unchanged" => {
            eprintln!(
                "W{} helpers.go:703] --dry-run is deprecated and can be replaced with --dry-run=client.",
                klog_stamp()
            );
            Ok(DryRun::Client)
        }
        other @ ("true" | "false" | "t" | "f" | "1" | "0") => {
            let on = matches!(other, "true" | "t" | "1");
            eprintln!(
                "W{} helpers.go:693] --dry-run={other} is deprecated (boolean value) and can be replaced with --dry-run={}.",
                klog_stamp(),
                if on { "client" } else { "none" }
            );
            Ok(if on { DryRun::Client } else { DryRun::None })
        }
        other => fail(format!(
            "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
        )),
    }
}

/// `1121 10:30:00.000000   12345`, as Google's log lines begin.
fn klog_stamp() -> String {
    let now = jiff::Zoned::now();
    format!(
        "{} {:>7}",
        now.strftime("%m%d %H:%M:%S%.6f"),
        std::process::id()
    )
}

/// Adds `dryRun=All` for a server-side dry run.
pub fn with_dry_run(target: kube::request::Target, dry_run: DryRun) -> kube::request::Target {
    if dry_run == DryRun::Server {
        target.with("dryRun", "All")
    } else {
        target
    }
}
