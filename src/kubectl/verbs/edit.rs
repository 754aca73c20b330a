//! `kubectl edit`.
//!
//! Reference: `kubectl/pkg/cmd/util/editor/editoptions.go` of Kubernetes 1.32.

use super::LAST_APPLIED;
use crate::client::{MERGE_PATCH, STRATEGIC_PATCH};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use crate::print::Results;
use crate::source::{self, Item, Wanted};
use kube::object::{list, text};
use kube::request::Target;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;

const HEAD: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,\n# and an empty file will abort the edit. If an error occurs while saving this file will be\n# reopened with the relevant failures.\n#\n";

/// Runs `kubectl edit`.
///
/// # Errors
/// The command line's, the server's, the editor's.
pub async fn run(cx: &Cx) -> Outcome {
    let wanted = Wanted {
        by_selector: true,
        fetch: true,
    };
    let results = Results::new(cx)?;
    let (items, errors) = if let [kind] = cx.args()
        && !kind.contains('/')
        && !cx.flags.given("filename")
    {
        (
            source::list(cx, crate::mapping::by_name(cx, kind).await?, false).await?,
            Vec::new(),
        )
    } else {
        source::resolve(cx, cx.args(), wanted).await?
    };
    if !errors.is_empty() {
        return Error::collect(errors);
    }
    if items.is_empty() {
        return fail("edit cancelled, no objects found");
    }
    for item in &items {
        one(cx, item, &results).await?;
    }
    Ok(())
}

/// The object as it stands in the editor: without bookkeeping.
fn shown(item: &Item) -> Value {
    let mut object = item.object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

async fn one(cx: &Cx, item: &Item, results: &Results<'_>) -> Outcome {
    let original = shown(item);
    let body = kube::yaml::to_string(&original);
    let mut content = format!("{HEAD}{body}");
    let mut reasons: Vec<String> = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let (edited, path) = open_editor(&content)?;
        let stripped: String = edited
            .split_inclusive('\n')
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect();
        if stripped.trim_end() == body.trim_end() {
            let _ = std::fs::remove_file(&path);
            eprintln!("Edit cancelled, no changes made.");
            return Ok(());
        }
        if stripped.trim().is_empty() {
            let _ = std::fs::remove_file(&path);
            eprintln!("Edit cancelled, saved file was empty.");
            return Ok(());
        }
        if last.as_ref() == Some(&stripped) && !reasons.is_empty() {
            eprintln!(
                "A copy of your changes has been stored to \"{}\"",
                path.display()
            );
            return fail("Edit cancelled, no valid changes were saved.");
        }
        match save(cx, item, &original, &stripped).await {
            Ok(None) => {
                let _ = std::fs::remove_file(&path);
                eprintln!("Edit cancelled, no changes made.");
                return Ok(());
            }
            Ok(Some(after)) => {
                let _ = std::fs::remove_file(&path);
                return results.print(item.res, &after, "edited");
            }
            Err(e) if matches!(e, Error::Refused(_) | Error::Connect(_)) => {
                eprintln!(
                    "A copy of your changes has been stored to \"{}\"",
                    path.display()
                );
                return Err(e);
            }
            Err(e) if e.is_not_found() => {
                eprintln!(
                    "error: {} \"{}\" could not be found on the server",
                    item.res.qualified(),
                    item.name
                );
                eprintln!(
                    "The edits you made on deleted resources have been saved to \"{}\"",
                    path.display()
                );
                return Err(Error::Exit(1));
            }
            // What the server cannot even read, or somebody else changed
            // meanwhile: the file is kept.
            Err(Error::Status(status)) if text(&status, "reason") != "Invalid" => {
                eprintln!(
                    "error: {} \"{}\" could not be patched: {}",
                    item.res.qualified(),
                    item.name,
                    text(&status, "message")
                );
                eprintln!(
                    "You can run `kubectl replace -f {}` to try this update again.",
                    path.display()
                );
                return Err(Error::Exit(1));
            }
            Err(e) => {
                reasons = reasons_of(&e);
                if matches!(e, Error::Status(_)) {
                    eprintln!(
                        "error: {} \"{}\" is invalid",
                        item.res.qualified(),
                        item.name
                    );
                }
                content = format!("{}{stripped}", head_with(item, &e, &reasons));
                last = Some(stripped);
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

fn reasons_of(e: &Error) -> Vec<String> {
    match e {
        Error::Status(status) if !list(status, "details.causes").is_empty() => {
            list(status, "details.causes")
                .iter()
                .map(|c| format!("{}: {}", text(c, "field"), text(c, "message")))
                .collect()
        }
        other => vec![other.to_string()],
    }
}

/// The head of the reopened file, with the failures in it.
fn head_with(item: &Item, e: &Error, reasons: &[String]) -> String {
    let mut head = HEAD.to_owned();
    let comment = |text: &str| text.replace('\n', "\n# ");
    match e {
        Error::Status(_) => {
            head.push_str(&format!(
                "# {} \"{}\" was not valid:\n",
                item.res.qualified(),
                item.name
            ));
            for reason in reasons {
                head.push_str(&format!("# * {}\n", comment(reason)));
            }
        }
        other => head.push_str(&format!(
            "# The edited file had a syntax error: {}\n",
            comment(&other.to_string())
        )),
    }
    head.push_str("#\n");
    head
}

async fn save(cx: &Cx, item: &Item, original: &Value, edited: &str) -> Outcome<Option<Value>> {
    let edited = kube::yaml::parse_one(edited).map_err(|e| {
        Error::Message(format!(
            "error parsing edited-file: error converting YAML to JSON: {e}"
        ))
    })?;
    if edited == *original {
        return Ok(None);
    }
    for field in ["apiVersion", "kind", "metadata.name"] {
        if text(&edited, field) != text(original, field) {
            return fail("At least one of apiVersion, kind and name was changed");
        }
    }
    let shape = kube::schema::root(item.res);
    let mut patch = kube::threeway::patch(original, &edited, original, shape.as_deref());
    if patch == json!({}) {
        return Ok(None);
    }
    // A race with somebody else's change shows in the version.
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let media_type = if shape.is_some() {
        STRATEGIC_PATCH
    } else {
        MERGE_PATCH
    };
    let mut path = item.path();
    if !cx.text("subresource").is_empty() {
        path = format!("{path}/{}", cx.text("subresource"));
    }
    if cx.bool("save-config") {
        let mut whole = edited.clone();
        super::create::save_config(&mut whole);
        patch["metadata"]["annotations"][LAST_APPLIED] =
            whole["metadata"]["annotations"][LAST_APPLIED].clone();
    }
    if cx.bool("output-patch") {
        crate::cx::say(format!("Patch: {}", kube::gofmt::json_compact(&patch)))?;
    }
    let path = Target::new(path)
        .with("fieldManager", cx.text("field-manager"))
        .with("fieldValidation", "Strict")
        .finish();
    cx.client()?
        .patch(&path, media_type, kube::gofmt::json_compact(&patch))
        .await
        .map(Some)
}

/// Opens the editor on a temporary file and returns what was saved.
fn open_editor(content: &str) -> Outcome<(String, PathBuf)> {
    let mut file = tempfile::Builder::new()
        .prefix("kubectl-edit-")
        .suffix(".yaml")
        .tempfile()?;
    file.write_all(content.as_bytes())?;
    file.flush()?;
    let (_, path) = file.keep().map_err(|e| Error::Io(e.error))?;
    let editor = ["KUBE_EDITOR", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    // As Google's: an editor with flags goes through the shell.
    let mut command = if editor.contains([' ', '"', '\'']) {
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh");
        shell
    } else {
        std::process::Command::new(&editor)
    };
    let status = command.arg(&path).status();
    match status {
        Ok(status) if status.success() => Ok((std::fs::read_to_string(&path)?, path)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let _ = std::fs::remove_file(&path);
            fail(format!("unable to launch the editor {editor:?}"))
        }
        _ => {
            let _ = std::fs::remove_file(&path);
            fail(format!("there was a problem with the editor {editor:?}"))
        }
    }
}
