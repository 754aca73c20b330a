//! hostPath volumes: what the `type` demands, and where a container sees them.

use std::{fs, io, path::Path};

use kube::object;
use sandbox::container::Bind;
use serde_json::Value;

/// The binds of one container of a Pod. Directories and files that a `type` says may be
/// made are made.
///
/// # Errors
/// What the kubelet's event says about a volume that is not as its `type` demands, or of
/// a kind that this kubelet does not know.
pub fn binds(pod: &Value, container: &Value) -> Result<Vec<Bind>, String> {
    let mut binds = Vec::new();
    for mount in object::list(container, "volumeMounts") {
        let name = object::text(mount, "name");
        let Some(volume) = object::list(pod, "spec.volumes")
            .iter()
            .find(|volume| object::text(volume, "name") == name)
        else {
            return Err(format!(
                "volumeMounts name {name:?} is no volume of the pod"
            ));
        };
        if volume.get("hostPath").is_none() {
            return Err(format!(
                "MountVolume.SetUp failed for volume \"{name}\" : only hostPath volumes can be \
                 mounted into containers that run for real"
            ));
        }
        let path = object::text(volume, "hostPath.path");
        check(path, object::text(volume, "hostPath.type")).map_err(|reason| {
            format!("MountVolume.SetUp failed for volume \"{name}\" : {reason}")
        })?;
        let sub_path = object::text(mount, "subPath");
        binds.push(Bind {
            // Joining nothing would append a slash, which a file does not take.
            host_path: match sub_path {
                "" => path.into(),
                below => Path::new(path).join(below),
            },
            mount_path: object::text(mount, "mountPath").into(),
            read_only: object::flag(mount, "readOnly"),
        });
    }
    Ok(binds)
}

/// Kubernetes 1.32 `pkg/volume/hostpath/host_path.go`.
fn check(path: &str, kind: &str) -> Result<(), String> {
    let found = fs::metadata(path);
    let failed = |what: &str| format!("hostPath type check failed: {path} is not {what}");
    match kind {
        // No demand; but a bind needs something, and runtimes make a directory.
        "" if found.is_err() => make(fs::create_dir_all(path), path),
        "" => Ok(()),
        "DirectoryOrCreate" if found.is_err() => make(fs::create_dir_all(path), path),
        "FileOrCreate" if found.is_err() => {
            let file = fs::OpenOptions::new().create(true).append(true).open(path);
            make(file.map(drop), path)
        }
        "Directory" | "DirectoryOrCreate" => match found {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            _ => Err(failed("a directory")),
        },
        "File" | "FileOrCreate" => match found {
            Ok(metadata) if metadata.is_file() => Ok(()),
            _ => Err(failed("a file")),
        },
        "Socket" | "CharDevice" | "BlockDevice" => match found {
            Ok(_) => Ok(()),
            Err(_) => Err(failed(&format!("a {kind}"))),
        },
        other => Err(format!("{other} is an invalid volume type")),
    }
}

fn make(result: io::Result<()>, path: &str) -> Result<(), String> {
    result.map_err(|error| format!("{path}: {error}"))
}
