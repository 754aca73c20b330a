//! JSON schemas of what authors write, made from the types that it is read into, and the
//! reference page of the book, made from the schemas. Tests hold them against the readers.

use std::fmt::Write;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::{
    fault::FaultKind,
    model::{
        DataDirProbe, FileProbe, HandoverProbe, HistoryProbe, ManifestProbe, MembersProbe,
        ObjectProbe, PROBES, SnapshotProbe,
    },
    probes::{
        AccessProbe, AnswerProbe, CertificateProbe, ColdDatabaseProbe, CommandProbe, HealthProbe,
        KeyProbe, ProcessProbe, RestoreOrderProbe, UnitProbe,
    },
};

mod file;

/// A check of a task: its own keys and those of one probe.
struct CheckFile;

impl JsonSchema for CheckFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = own_keys::<file::CheckKeys>(generator);
        let probes: Vec<Value> = PROBES
            .into_iter()
            .map(|noun| with_keys(probe(noun, generator), noun, &own))
            .collect();
        json_schema!({ "oneOf": probes })
    }
}

/// What is broken: keys of every fault, and those of one kind.
struct FaultFile;

impl JsonSchema for FaultFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = own_keys::<file::FaultKeys>(generator);
        let kinds = FaultKind::json_schema(generator).to_value();
        let kinds: Vec<Value> = kinds["anyOf"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|kind| with_keys(kind.clone(), kind_of_fault(kind), &own))
            .collect();
        json_schema!({ "oneOf": kinds })
    }
}

/// The key that names a fault's kind: the one that no other kind has.
fn kind_of_fault(kind: &Value) -> &'static str {
    let kinds = crate::fault::KINDS.into_iter();
    let mut named = kinds.filter(|name| kind["properties"].get(*name).is_some());
    named.next().unwrap_or_default()
}

/// The schema of a probe by its noun. Its types say what is written, by their attributes.
fn probe(noun: &str, generator: &mut SchemaGenerator) -> Value {
    let schema = match noun {
        "snapshot" => SnapshotProbe::json_schema(generator),
        "data_dir" => DataDirProbe::json_schema(generator),
        "history" => HistoryProbe::json_schema(generator),
        "manifest" => ManifestProbe::json_schema(generator),
        "members" => MembersProbe::json_schema(generator),
        "handover" => HandoverProbe::json_schema(generator),
        "object" => ObjectProbe::json_schema(generator),
        "file" => FileProbe::json_schema(generator),
        "key" => KeyProbe::json_schema(generator),
        "certificate" => CertificateProbe::json_schema(generator),
        "health" => HealthProbe::json_schema(generator),
        "process" => ProcessProbe::json_schema(generator),
        "unit" => UnitProbe::json_schema(generator),
        "command" => CommandProbe::json_schema(generator),
        "access" => AccessProbe::json_schema(generator),
        "restore_order" => RestoreOrderProbe::json_schema(generator),
        "cold_database" => ColdDatabaseProbe::json_schema(generator),
        // A probe without a schema of its own would be refused by the tests.
        _ => AnswerProbe::json_schema(generator),
    };
    schema.to_value()
}

fn own_keys<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = T::json_schema(generator).to_value();
    schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default()
}

/// A table with more keys than its type has, and no others.
fn with_keys(mut table: Value, title: &str, own: &Map<String, Value>) -> Value {
    table["title"] = title.into();
    table["additionalProperties"] = false.into();
    if let Some(properties) = table["properties"].as_object_mut() {
        properties.extend(own.clone());
    }
    table
}

/// The JSON schema of `lab.toml`.
pub fn lab() -> Value {
    finish(schema_for::<file::LabFile>())
}

/// The JSON schema of an exam pack's file.
pub fn pack() -> Value {
    finish(schema_for::<file::PackFile>())
}

fn schema_for<T: JsonSchema>() -> Value {
    SchemaGenerator::default()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What TOML and the templates allow besides.
fn finish(mut schema: Value) -> Value {
    loosen(&mut schema);
    schema
}

fn loosen(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(loosen),
        Value::Object(table) => {
            table.values_mut().for_each(loosen);
            let is_list = table.get("type") == Some(&json!("array"));
            if is_list && table.get("items") == Some(&json!({ "type": "string" })) {
                // One string stands for a list of one.
                table.insert("type".into(), json!(["array", "string"]));
            }
            // Rust's sizes of numbers are nobody's concern.
            table.remove("format");
            let words = words(table);
            if !words.is_empty() && table.get("anyOf").is_none() {
                let choice = Value::Object(std::mem::take(table));
                // A template may give the word.
                let template = json!({ "type": "string", "pattern": "\\{" });
                table.insert("anyOf".into(), json!([choice, template]));
            }
        }
        _ => {}
    }
}

/// The words that a schema of a choice knows; empty for any other.
fn words(schema: &Map<String, Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let named = listed("enum").filter_map(text);
    let consts = listed("oneOf").flat_map(|one| {
        let more = one["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(text);
        text(&one["const"])
            .into_iter()
            .chain(more)
            .collect::<Vec<_>>()
    });
    named.chain(consts).collect()
}

/// The page of the book: every table and key of both files.
pub fn reference() -> String {
    let (lab, pack) = (lab(), pack());
    let mut page = String::from(
        "# Reference of the format\n\n\
         Made from the types that files are read into. `kubedrill schema lab` and `kubedrill \
         schema pack` print the same as JSON schemas, for editors. What it all is for is told \
         in [Writing a lab](lab-format.md).\n\n\
         A list of strings may be one string. Strings are templates; what one leaves empty in a \
         list is left out.\n",
    );
    page += "\n## lab.toml\n";
    let root = &lab["properties"];
    for (heading, schema) in [
        ("[lab]", &root["lab"]),
        ("[cluster]", &root["cluster"]),
        ("[vars]", &root["vars"]),
        ("[[setup]]", &root["setup"]),
        ("[[task]]", &root["task"]),
        ("[[solution]]", &root["solution"]),
        ("[[wrong]]", &root["wrong"]),
    ] {
        table(&mut page, "###", heading, schema, &lab);
    }
    page += "\n## Probes of [[task.check]]\n";
    alternatives(&mut page, &lab["$defs"]["Check"], &lab);
    page += "\n## Kinds of [[fault]]\n";
    alternatives(&mut page, &lab["$defs"]["Fault"], &lab);
    page += "\n## Words\n";
    for (name, schema) in lab["$defs"].as_object().into_iter().flatten() {
        choice(&mut page, name, schema);
    }
    page += "\n## packs/NAME.toml\n";
    table(
        &mut page,
        "###",
        "[pack]",
        &pack["properties"]["pack"],
        &pack,
    );
    table(
        &mut page,
        "###",
        "[[item]]",
        &pack["properties"]["item"],
        &pack,
    );
    page
}

/// A schema behind its reference, its list and its `null`.
fn behind<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return behind(&root["$defs"][name], root);
    }
    if let Some([first, null]) = schema["anyOf"].as_array().map(Vec::as_slice)
        && null["type"] == "null"
    {
        return behind(first, root);
    }
    match schema.get("items") {
        Some(items) if items["type"] != "string" => behind(items, root),
        _ => schema,
    }
}

fn table(page: &mut String, level: &str, heading: &str, schema: &Value, root: &Value) {
    let schema = behind(schema, root);
    let Some(properties) = schema["properties"].as_object() else {
        let _ = writeln!(page, "\n{level} {heading}\n\n{}", description(schema));
        return;
    };
    let _ = writeln!(page, "\n{level} {heading}\n");
    let said = description(schema);
    if !said.is_empty() {
        let _ = writeln!(page, "{said}\n");
    }
    let _ = writeln!(
        page,
        "| key | is | if absent | meaning |\n|---|---|---|---|"
    );
    let required = schema["required"].as_array();
    let is_required = |key: &str| required.is_some_and(|all| all.iter().any(|one| one == key));
    // What must be there comes first; then in the order of the alphabet.
    let mut keys: Vec<&String> = properties.keys().collect();
    keys.sort_by_key(|key| (!is_required(key), key.as_str()));
    for key in keys {
        let property = &properties[key];
        let absent = match (is_required(key), property.get("default")) {
            (true, _) => "required".to_owned(),
            (false, Some(Value::String(text))) if text.is_empty() => String::new(),
            (false, Some(Value::Array(list))) if list.is_empty() => String::new(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let _ = writeln!(
            page,
            "| `{key}` | {} | {absent} | {} |",
            kind(property, root),
            description(property)
        );
    }
}

fn alternatives(page: &mut String, schema: &Value, root: &Value) {
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let title = one["title"].as_str().unwrap_or_default();
        table(page, "###", title, one, root);
    }
}

/// The words of a choice with what each means.
fn choice(page: &mut String, name: &str, schema: &Value) {
    let inner = &schema["anyOf"][0];
    let Some(all) = inner.as_object().map(words).filter(|all| !all.is_empty()) else {
        return;
    };
    let meaning = |word: &str| {
        let one = inner["oneOf"].as_array().into_iter().flatten();
        let mut one = one.filter(|one| one["const"] == word);
        one.next().map_or(String::new(), description)
    };
    let _ = writeln!(page, "\n### {name}\n\n| word | meaning |\n|---|---|");
    for word in all {
        let _ = writeln!(page, "| `{word}` | {} |", meaning(&word));
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// What a value is, in a word or two.
fn kind(schema: &Value, root: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return match root["$defs"][name]["properties"].is_object() {
            true => "a table".into(),
            false => format!("a word of {name}, or a table").replace(
                ", or a table",
                if root["$defs"][name]["anyOf"].is_array() {
                    ""
                } else {
                    ", or a table"
                },
            ),
        };
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return kind(first, root);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    match types.first() {
        Some(&"array") if types.contains(&"string") => "strings".into(),
        Some(&"array") => "tables".into(),
        Some(&"boolean") => "true or false".into(),
        Some(&"integer") => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => "a number".into(),
        },
        Some(&"object") => "a table".into(),
        Some(&"string") => "a string".into(),
        _ => "a table".into(),
    }
}

/// The keys of every table of both files that has a fixed set of them, by a name that the
/// readers' messages have too.
#[cfg(test)]
pub(crate) fn keys() -> std::collections::BTreeMap<String, Vec<String>> {
    let (lab, pack) = (lab(), pack());
    let mut found = std::collections::BTreeMap::new();
    let mut add = |name: &str, schema: &Value, root: &Value| {
        let schema = behind(schema, root);
        let properties = schema["properties"].as_object();
        let keys = properties.into_iter().flatten().map(|(key, _)| key.clone());
        found.insert(name.to_owned(), keys.collect());
    };
    let root = &lab["properties"];
    for name in ["lab", "cluster", "setup", "task", "solution", "wrong"] {
        add(name, &root[name], &lab);
    }
    let task = behind(&root["task"], &lab);
    add("hints", &task["properties"]["hints"], &lab);
    let wrong = behind(&root["wrong"], &lab);
    add("changes", &wrong["properties"]["changes"], &lab);
    add("pack", &pack["properties"]["pack"], &pack);
    add("item", &pack["properties"]["item"], &pack);
    for (what, table) in [("check", "Check"), ("fault", "Fault")] {
        for one in lab["$defs"][table]["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let title = one["title"].as_str().unwrap_or_default();
            add(&format!("{what} {title}"), one, &lab);
        }
    }
    found
}
