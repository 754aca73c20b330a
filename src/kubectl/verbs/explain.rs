//! `kubectl explain`, from the server's OpenAPI v3 documents.
//!
//! Reference: `kubectl/pkg/explain/v2` of Kubernetes 1.32.

use crate::cx::{Cx, put};
use crate::error::{Error, Outcome, fail};
use crate::mapping::{self, Res};
use crate::wrap::{indent, wrap};
use kube::object::{list, text};
use serde_json::Value;

/// Runs `kubectl explain`.
///
/// # Errors
/// The command line's, the server's, a field that does not exist.
pub async fn run(cx: &Cx) -> Outcome {
    let [path] = cx.args() else {
        return fail(if cx.args().is_empty() {
            "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported resources.\n"
        } else {
            "We accept only this format: explain RESOURCE\n"
        });
    };
    if !matches!(cx.text("output"), "plaintext" | "plaintext-openapiv2") {
        return fail(format!("unrecognized format: {}", cx.text("output")));
    }
    let (res, fields) = resolve(cx, path).await?;
    let prefix = if res.group.is_empty() {
        "api".to_owned()
    } else {
        format!("apis/{}", res.group)
    };
    let document = cx
        .client()?
        .get(&format!("/openapi/v3/{prefix}/{}", res.version))
        .await?;
    let page = page(&document, res, &fields, cx.bool("recursive"))?;
    put(&page)
}

/// The resource and the path in it: `pods.spec.containers`,
/// `deployments.apps.spec`.
async fn resolve(cx: &Cx, path: &str) -> Outcome<(Res, Vec<String>)> {
    let parts: Vec<&str> = path.split('.').collect();
    let version = cx.text("api-version");
    // The longest prefix that names a resource with its group wins.
    for length in (1..=parts.len()).rev() {
        let word = parts[..length].join(".");
        let found = match kube::resources::by_name(&word) {
            Some(found) => Some(found),
            None if length == 1 => match mapping::by_name(cx, &word).await {
                Ok(found) => Some(found),
                Err(Error::Message(message)) => return Err(Error::Verbatim(message)),
                Err(e) => return Err(e),
            },
            None => None,
        };
        let Some(mut found) = found else { continue };
        if !version.is_empty() && found.api_version() != version {
            let all = mapping::discover(cx).await?;
            match all
                .into_iter()
                .find(|r| r.plural == found.plural && r.api_version() == version)
            {
                Some(other) => found = other,
                None => {
                    return fail(format!(
                        "couldn't find resource for \"{version}, Kind={}\"",
                        found.kind
                    ));
                }
            }
        }
        return Ok((
            found,
            parts[length..].iter().map(|p| (*p).to_owned()).collect(),
        ));
    }
    fail("invalid jsonpath syntax, first node must be field node")
}

fn page(document: &Value, res: Res, fields: &[String], recursive: bool) -> Outcome<String> {
    let mut out = String::new();
    if !res.group.is_empty() {
        out.push_str(&format!("GROUP:      {}\n", res.group));
    }
    out.push_str(&format!(
        "KIND:       {}\nVERSION:    {}\n\n",
        res.kind, res.version
    ));
    let is_kind = |schema: &&Value| {
        list(schema, "x-kubernetes-group-version-kind")
            .iter()
            .any(|k| {
                text(k, "group") == res.group
                    && text(k, "version") == res.version
                    && text(k, "kind") == res.kind
            })
    };
    let schemas = document["components"]["schemas"].as_object();
    let Some(schema) = schemas
        .into_iter()
        .flatten()
        .map(|(_, schema)| schema)
        .find(is_kind)
    else {
        put(&out)?;
        return fail(format!(
            "GVK {}/{} {} not found in OpenAPI schema",
            res.group, res.version, res.kind
        ));
    };
    let explainer = Explainer {
        document,
        recursive,
    };
    match explainer.output(schema, fields) {
        Some(text) => out.push_str(&text),
        None => {
            put(&out)?;
            let last = fields.last().map_or("", String::as_str);
            return fail(format!("field {} does not exist", kube::gofmt::quote(last)));
        }
    }
    out.push('\n');
    Ok(out)
}

struct Explainer<'d> {
    document: &'d Value,
    recursive: bool,
}

impl<'d> Explainer<'d> {
    fn resolve(&self, schema: &'d Value) -> &'d Value {
        let target = text(schema, "$ref").strip_prefix("#/components/schemas/");
        match target {
            Some(name) => self.document["components"]["schemas"]
                .get(name)
                .unwrap_or(schema),
            None => schema,
        }
    }

    /// What the path leads to; `None` when it leads nowhere.
    fn output(&self, schema: &'d Value, path: &[String]) -> Option<String> {
        let resolved = self.resolve(schema);
        let Some((first, rest)) = path.split_first() else {
            let mut out = String::from("DESCRIPTION:\n");
            let mut description = String::new();
            self.description(resolved, &mut description);
            if description.is_empty() {
                description.push_str("<empty>");
            }
            out.push_str(&indent(&wrap(&description, 76), 4));
            out.push('\n');
            let mut fields = String::new();
            self.fields(resolved, 1, &mut Vec::new(), &mut fields);
            if !fields.is_empty() {
                out.push_str("FIELDS:\n");
                out.push_str(&fields);
            }
            return Some(out);
        };
        if let Some(field) = resolved["properties"].get(first) {
            let mut out = String::new();
            if rest.is_empty() {
                out.push_str(&format!(
                    "FIELD: {first} <{}>\n{}\n\n",
                    self.type_of(field),
                    long_enum(field)
                ));
            }
            out.push_str(&self.output(field, rest)?);
            return Some(out);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(below) = resolved.get(inner).filter(|v| v.is_object()) {
                return self.output(below, path);
            }
        }
        list(resolved, "allOf")
            .iter()
            .find_map(|part| self.output(part, path))
    }

    fn description(&self, schema: &'d Value, out: &mut String) {
        let resolved = self.resolve(schema);
        let own = text(resolved, "description");
        if !own.is_empty() {
            out.push_str(own);
            out.push('\n');
        }
        for part in list(resolved, "allOf") {
            self.description(part, out);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(below) = resolved.get(inner).filter(|v| v.is_object()) {
                self.description(below, out);
            }
        }
    }

    fn fields(&self, schema: &'d Value, level: usize, seen: &mut Vec<&'d str>, out: &mut String) {
        let reference = text(schema, "$ref");
        if !reference.is_empty() && seen.contains(&reference) {
            return;
        }
        seen.push(reference);
        let resolved = self.resolve(schema);
        for (name, field) in resolved["properties"].as_object().into_iter().flatten() {
            self.field(resolved, name, field, level, out);
            if self.recursive {
                self.fields(field, level + 1, seen, out);
            }
        }
        for part in list(resolved, "allOf") {
            self.fields(part, level, seen, out);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(below) = resolved.get(inner).filter(|v| v.is_object()) {
                self.fields(below, level, seen, out);
            }
        }
        seen.pop();
    }

    fn field(&self, parent: &Value, name: &str, field: &'d Value, level: usize, out: &mut String) {
        let blanks = level * 2;
        out.push_str(&" ".repeat(blanks));
        out.push_str(&format!("{name}\t<{}>", self.type_of(field)));
        if list(parent, "required").iter().any(|r| r == name) {
            out.push_str(" -required-");
        }
        out.push_str(&short_enum(field, blanks));
        out.push('\n');
        if !self.recursive {
            let description = match text(field, "description") {
                "" => "<no description>",
                text => text,
            };
            out.push_str(&indent(&wrap(description, 78 - blanks), blanks + 2));
            out.push_str("\n\n");
        }
    }

    fn type_of(&self, schema: &'d Value) -> String {
        if let Some(items) = schema.get("items") {
            return format!("[]{}", self.type_of(items));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|v| v.is_object()) {
            return format!("map[string]{}", self.type_of(values));
        }
        if let [only] = list(schema, "allOf")
            && schema["properties"].is_null()
        {
            return self.type_of(only);
        }
        let reference = text(schema, "$ref");
        if !reference.is_empty() {
            let kind = text(self.resolve(schema), "type");
            if kind.is_empty() || kind == "object" {
                return reference
                    .rsplit(['/', '.'])
                    .next()
                    .unwrap_or("Object")
                    .to_owned();
            }
            return kind.to_owned();
        }
        match text(schema, "type") {
            "" | "object" => "Object".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn shown(element: &Value) -> String {
    match element {
        Value::String(s) if s.is_empty() => "\"\"".to_owned(),
        other => kube::gofmt::verb_v(other),
    }
}

fn long_enum(field: &Value) -> String {
    let elements = list(field, "enum");
    if elements.is_empty() {
        return String::new();
    }
    let lines: String = elements
        .iter()
        .map(|e| format!("\n    {}", shown(e)))
        .collect();
    format!("ENUM:{lines}")
}

fn short_enum(field: &Value, blanks: usize) -> String {
    let elements = list(field, "enum");
    if elements.is_empty() {
        return String::new();
    }
    let most = 4;
    let names: Vec<String> = elements.iter().take(most).map(shown).collect();
    let more = if elements.len() > most { ", ...." } else { "" };
    format!("\n{}enum: {}{more}", " ".repeat(blanks), names.join(", "))
}
