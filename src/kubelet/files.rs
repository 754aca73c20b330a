//! Watches the folder of static Pods' manifests.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecursiveMode, Watcher};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::manifest;

/// A burst of changes (an editor's rename and write) is read once, after this.
const SETTLE: Duration = Duration::from_millis(20);

/// How often it is looked whether the folder is still the one that is watched.
const LOOK: Duration = Duration::from_secs(1);

/// Sends every static Pod of the folder whenever that may have changed, until the
/// receiver is gone.
pub async fn watch(
    dir: PathBuf,
    node: String,
    check_every: Duration,
    pods: mpsc::UnboundedSender<Vec<Value>>,
) {
    let (changed, mut changes) = mpsc::unbounded_channel();
    // Kept, so that the channel stays open where there is no inotify.
    let _open = changed.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is no change of it.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = changed.send(());
        }
    });
    let mut watcher = watcher.map_err(|error| {
        crate::log::error(
            "Unable to create inotify; only polling",
            &[("err", &error.to_string())],
        );
    });
    let mut watched = None;
    loop {
        if let Ok(watcher) = watcher.as_mut()
            && watched.is_none()
            && let Some(identity) = identity(&dir)
            && watcher.watch(&dir, RecursiveMode::NonRecursive).is_ok()
        {
            watched = Some(identity);
        }
        if pods.send(read(&dir, &node)).is_err() {
            return;
        }
        let due = tokio::time::Instant::now() + check_every;
        loop {
            match tokio::time::timeout(LOOK, changes.recv()).await {
                Ok(_) => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                    break;
                }
                Err(_) if watched.is_none() => break,
                Err(_) if watched != identity(&dir) => break,
                Err(_) if tokio::time::Instant::now() >= due => break,
                Err(_) => {}
            }
        }
        // The folder may have been moved away, and another one may be in its place.
        if watched != identity(&dir) {
            watched = None;
            if let Ok(watcher) = watcher.as_mut() {
                let _ = watcher.unwatch(&dir);
            }
        }
    }
}

/// Tells one folder from another of the same name.
fn identity(dir: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(dir).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Reads the folder. What is wrong with a file is said each time, as the kubelet does,
/// and the file is left out.
fn read(dir: &Path, node: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            let path = dir.display().to_string();
            let error = match error.kind() {
                std::io::ErrorKind::NotFound => "path does not exist, ignoring".to_owned(),
                _ => error.to_string(),
            };
            crate::log::error(
                "Unable to read config path",
                &[("err", &error), ("path", &path)],
            );
            return Vec::new();
        }
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
        let parsed = std::fs::read_to_string(&file)
            .map_err(|error| error.to_string())
            .and_then(|text| manifest::parse(&name, &text, node, &now));
        match parsed {
            Ok(pod) => pods.push(pod),
            Err(reason) => complain(&file, &reason),
        }
    }
    pods
}

fn complain(file: &Path, reason: &str) {
    let path = file.display().to_string();
    // What is a Pod, but a wrong one, is told without the frame.
    let error = match reason.starts_with("invalid pod: [") {
        true => reason.to_owned(),
        false => format!("{path}: couldn't parse as pod({reason}), please check config file"),
    };
    crate::log::error(
        "Could not process manifest file",
        &[("err", &error), ("path", &path)],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  \
                       - name: c\n    image: nginx\n";

    #[test]
    fn files_that_are_no_pods_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.yaml", POD),
            ("b.yaml", "kind: ["),
            (".hidden.yaml", POD),
            ("a.yaml.bak", POD),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        // A copy beside the original is a Pod of the same name, as with the real one.
        assert_eq!(read(dir.path(), "node01").len(), 2);
        assert!(read(&dir.path().join("absent"), "node01").is_empty());
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let manifests = dir.path().join("manifests");
        std::fs::create_dir(&manifests).unwrap();
        let (sender, mut pods) = mpsc::unbounded_channel();
        let watching = watch(
            manifests.clone(),
            "node01".into(),
            Duration::from_secs(600),
            sender,
        );
        tokio::spawn(watching);
        assert!(pods.recv().await.unwrap().is_empty());
        std::fs::rename(&manifests, dir.path().join("away")).unwrap();
        std::fs::create_dir(&manifests).unwrap();
        std::fs::write(manifests.join("web.yaml"), POD).unwrap();
        while pods.recv().await.unwrap().is_empty() {}
        std::fs::remove_file(manifests.join("web.yaml")).unwrap();
        while !pods.recv().await.unwrap().is_empty() {}
    }
}
