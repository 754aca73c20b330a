//! Files: kubeconfigs, and manifests given with `-f`.

use crate::error::{Error, Outcome, fail};
use crate::flags::Flags;
use kube::kubeconfig;
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The kubeconfig files in force.
pub struct Kubeconfig {
    /// Where changes are written, and every file that was looked for.
    pub paths: Vec<PathBuf>,
    /// Each file's own content, as far as it exists.
    pub files: Vec<(PathBuf, Value)>,
    /// All of them together.
    pub merged: Value,
}

/// Loads `--kubeconfig`, the files of `$KUBECONFIG`, or `~/.kube/config`.
///
/// # Errors
/// A file that was named does not exist, or one is no kubeconfig.
pub fn load_kubeconfig(flags: &Flags) -> Outcome<Kubeconfig> {
    let explicit = flags.text("kubeconfig");
    let paths: Vec<PathBuf> = if !explicit.is_empty() {
        vec![PathBuf::from(explicit)]
    } else if let Some(list) = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
        std::env::split_paths(&list)
            .filter(|p| !p.as_os_str().is_empty())
            .collect()
    } else {
        let home = std::env::var_os("HOME").unwrap_or_default();
        vec![Path::new(&home).join(".kube/config")]
    };
    let mut files = Vec::new();
    for path in &paths {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && explicit.is_empty() => continue,
            Err(e) => {
                let shown = path.display();
                let words = gowords::errno(&e);
                return if explicit.is_empty() || e.kind() != std::io::ErrorKind::NotFound {
                    fail(format!(
                        "error loading config file \"{shown}\": open {shown}: {words}"
                    ))
                } else {
                    fail(format!("stat {shown}: {words}"))
                };
            }
        };
        let mut value = kubeconfig::parse(&path.to_string_lossy(), &text)?;
        if let Some(directory) = std::path::absolute(path)
            .ok()
            .and_then(|p| p.parent().map(Path::to_owned))
        {
            kubeconfig::anchor_files(&mut value, &directory);
        }
        files.push((path.clone(), value));
    }
    let values: Vec<Value> = files.iter().map(|(_, v)| v.clone()).collect();
    Ok(Kubeconfig {
        paths,
        files,
        merged: kubeconfig::merge(&values),
    })
}

/// A manifest's text and the name that error texts give it.
pub struct Manifest {
    /// The path, or `STDIN`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Reads what `-f` names: files, directories, `-`.
///
/// # Errors
/// Something does not exist, or is a URL.
pub fn read_manifests(names: &[&str], recursive: bool) -> Outcome<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for &name in names {
        if name == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            manifests.push(Manifest {
                name: "STDIN".to_owned(),
                text,
            });
            continue;
        }
        if name.starts_with("http://") || name.starts_with("https://") {
            return fail(format!(
                "-f {name}: manifests are not fetched from the network; save the file and name it instead"
            ));
        }
        let path = Path::new(name);
        let Ok(meta) = std::fs::metadata(path) else {
            return fail(format!("the path \"{name}\" does not exist"));
        };
        if meta.is_dir() {
            let mut found = Vec::new();
            walk(path, recursive, &mut found)?;
            if found.is_empty() {
                return fail(format!(
                    "error reading [{name}]: recognized file extensions are [.json .yaml .yml]"
                ));
            }
            for file in found {
                manifests.push(read_one(&file)?);
            }
        } else {
            manifests.push(read_one(path)?);
        }
    }
    Ok(manifests)
}

fn read_one(path: &Path) -> Outcome<Manifest> {
    let name = path.to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::Message(format!("open {name}: {}", gowords::errno(&e))))?;
    Ok(Manifest { name, text })
}

fn walk(directory: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Outcome {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if recursive {
                walk(&path, recursive, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|e| e == "json" || e == "yaml" || e == "yml")
        {
            found.push(path);
        }
    }
    Ok(())
}
