//! Watches the folder of static Pods' manifests.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecursiveMode, Watcher};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{log, manifest};

/// A burst of changes (an editor's rename and write) is read once, after this.
const SETTLE: Duration = Duration::from_millis(20);

/// Sends every static Pod of the folder whenever that may have changed, until the
/// receiver is gone.
pub async fn watch(
    dir: PathBuf,
    node: String,
    check_every: Duration,
    pods: mpsc::UnboundedSender<Vec<Value>>,
) {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is no change of it.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = changed.send(());
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            log::error(
                "Unable to create inotify; only polling",
                &[("err", &error.to_string())],
            );
            None
        }
    };
    let mut watching = false;
    let mut seen = HashMap::new();
    loop {
        if !watching && let Some(watcher) = watcher.as_mut() {
            watching = watcher.watch(&dir, RecursiveMode::NonRecursive).is_ok();
        }
        if pods.send(read(&dir, &node, &mut seen)).is_err() {
            return;
        }
        let pause = if watching {
            check_every
        } else {
            Duration::from_secs(1)
        };
        match tokio::time::timeout(pause, changes.recv()).await {
            Ok(Some(())) => {
                tokio::time::sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
                // The folder itself may have been replaced.
                watching = dir.is_dir();
            }
            Ok(None) => tokio::time::sleep(check_every).await,
            Err(_) => {}
        }
    }
}

/// Reads the folder. `seen` remembers what was said about bad files, so that it is said
/// once for each text.
fn read(dir: &Path, node: &str, seen: &mut HashMap<PathBuf, String>) -> Vec<Value> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => return Vec::new(),
    };
    files.sort();
    let now = kube::time::rfc3339(jiff::Timestamp::now().as_second());
    let mut pods = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Editors' and packagers' leftovers, as the kubelet ignores them.
        if name.starts_with('.') || !file.is_file() {
            continue;
        }
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                complain(&file, String::new(), &error.to_string(), seen);
                continue;
            }
        };
        match manifest::parse(&name, &text, node, &now) {
            Ok(pod) => {
                seen.remove(&file);
                pods.push(pod);
            }
            Err(reason) => complain(&file, text, &reason, seen),
        }
    }
    pods
}

fn complain(file: &Path, text: String, reason: &str, seen: &mut HashMap<PathBuf, String>) {
    if seen.get(file) == Some(&text) {
        return;
    }
    seen.insert(file.to_owned(), text);
    let path = file.display().to_string();
    let error = format!("{path}: couldn't parse as pod({reason}), please check config file");
    log::error(
        "Could not process manifest file",
        &[("path", &path), ("err", &error)],
    );
}
