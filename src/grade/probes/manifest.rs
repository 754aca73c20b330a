//! Reads static Pods' manifests.

use lab::model::ManifestProbe;
use serde_json::Value;

use super::{Result, Scene, flags};
use crate::{node::Node, verdict::Outcome};

/// Where a stacked member's manifest is.
pub const ETCD: &str = "/etc/kubernetes/manifests/etcd.yaml";

pub fn look(scene: &Scene<'_>, probe: &ManifestProbe) -> Result {
    let place = scene.node.place(&probe.path);
    let pod = read(&scene.node, &probe.path)?;
    if !probe.volume.is_empty() {
        let found = host_path(&pod, &probe.volume);
        if found.as_deref().map(trim) != Some(trim(&probe.host_path)) {
            let found = match found {
                Some(path) => format!("the volume {} is the hostPath {path}", probe.volume),
                None => format!("there is no hostPath volume {}", probe.volume),
            };
            let expected = format!("the hostPath {}", probe.host_path);
            return Err(Outcome::failed(place, found, expected));
        }
    }
    if probe.unchanged {
        is_unchanged(scene, &place, &pod)?;
    }
    let command = command(&pod);
    if let Some(flag) = probe.flags.iter().find(|flag| !flags::has(&command, flag)) {
        let name = flag.split('=').next().unwrap_or(flag);
        let found = flags::value_of(&command, name)
            .map_or_else(|| format!("no {name}"), |value| format!("{name}={value}"));
        return Err(Outcome::failed(place, found, flag.clone()));
    }
    Ok(Outcome::passed("the manifest is as asked"))
}

/// The manifests of kubeadm that a node has, by place. One that can't be read is none.
pub fn all(node: &Node<'_>) -> Vec<(String, Value)> {
    const NAMES: [&str; 4] = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ];
    NAMES
        .into_iter()
        .map(|name| format!("/etc/kubernetes/manifests/{name}.yaml"))
        .filter_map(|path| Some((node.place(&path), read(node, &path).ok()?)))
        .collect()
}

fn is_unchanged(scene: &Scene<'_>, place: &str, pod: &Value) -> Result<()> {
    let Some(before) = scene.facts.manifests.get(place) else {
        let reason = "it was not there when the lab started";
        return Err(Outcome::could_not_look(place, reason));
    };
    match difference(before, pod, "") {
        None => Ok(()),
        Some(difference) => Err(Outcome::failed(
            place,
            difference,
            "the manifest as it was before it broke",
        )),
    }
}

/// The first place where two objects differ, in words. Flags may come in any order, and
/// volumes, mounts and variables, too.
fn difference(before: &Value, now: &Value, path: &str) -> Option<String> {
    let at = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let gone = before.iter().find_map(|(key, value)| match now.get(key) {
                // `status: {}` and the like say nothing.
                None if is_empty(value) => None,
                None => Some(format!("{} is gone", at(key))),
                Some(other) => difference(value, other, &at(key)),
            });
            let new = || {
                now.iter()
                    .find(|(key, value)| !before.contains_key(*key) && !is_empty(value))
                    .map(|(key, value)| format!("{} is new: {value}", at(key)))
            };
            gone.or_else(new)
        }
        (Value::Array(before), Value::Array(now)) if before.iter().all(Value::is_string) => {
            let missing = before.iter().find(|word| !now.contains(word));
            let extra = now.iter().find(|word| !before.contains(word));
            match (missing, extra) {
                (None, None) => None,
                (_, Some(extra)) => Some(format!("{extra} in {path}")),
                (Some(missing), None) => Some(format!("{path} without {missing}")),
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            let pairs = in_order(before).into_iter().zip(in_order(now));
            pairs.enumerate().find_map(|(number, (one, other))| {
                difference(one, other, &format!("{path}[{number}]"))
            })
        }
        (Value::Array(before), Value::Array(now)) => Some(format!(
            "{} entries in {path} instead of {}",
            now.len(),
            before.len()
        )),
        (before, now) if before == now => None,
        (_, now) => Some(format!("{now} at {path}")),
    }
}

/// Entries by what names them, where something does; others as they stand.
fn in_order(list: &[Value]) -> Vec<&Value> {
    let mut entries: Vec<&Value> = list.iter().collect();
    entries.sort_by_key(|entry| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        (text("mountPath"), text("name"))
    });
    entries
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn trim(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Where etcd's data goes, as its manifest has it.
pub struct EtcdData {
    /// The flag's value; `None` if the manifest is not there or has no such flag.
    pub data_dir: Option<String>,
    /// What is mounted there from the host.
    pub host_path: Option<String>,
}

/// Reads where the node's etcd keeps its data.
///
/// # Errors
/// The manifest can't be seen or is no manifest.
pub fn etcd_data(node: &Node<'_>) -> Result<EtcdData> {
    let pod = read(node, ETCD)?;
    let data_dir = flags::value_of(&command(&pod), "--data-dir").map(str::to_owned);
    let host_path = data_dir.as_deref().and_then(|dir| mounted_at(&pod, dir));
    Ok(EtcdData {
        data_dir,
        host_path,
    })
}

fn read(node: &Node<'_>, path: &str) -> Result<Value> {
    let expected = "the manifest of a static Pod";
    let text = node.text(path).map_err(|outcome| match outcome {
        Ok(found) => Outcome::failed(node.place(path), found, expected),
        Err(blind) => blind,
    })?;
    let mut documents = kube::yaml::parse_documents(&text)
        .map_err(|error| Outcome::failed(node.place(path), error.to_string(), expected))?;
    match documents.pop() {
        Some(pod) if documents.is_empty() => Ok(pod),
        _ => Err(Outcome::failed(
            node.place(path),
            "not exactly one document",
            expected,
        )),
    }
}

fn command(pod: &Value) -> Vec<&str> {
    let words = |field| {
        pod.pointer(&format!("/spec/containers/0/{field}"))
            .and_then(Value::as_array)
    };
    [words("command"), words("args")]
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn list<'a>(pod: &'a Value, pointer: &str) -> &'a [Value] {
    pod.pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn host_path(pod: &Value, volume: &str) -> Option<String> {
    list(pod, "/spec/volumes")
        .iter()
        .find(|one| one["name"].as_str() == Some(volume))?
        .pointer("/hostPath/path")?
        .as_str()
        .map(str::to_owned)
}

/// The host's path that the first container sees at `dir`: the mount that covers it
/// most closely, with the rest of the path appended.
fn mounted_at(pod: &Value, dir: &str) -> Option<String> {
    let dir = trim(dir);
    list(pod, "/spec/containers/0/volumeMounts")
        .iter()
        .filter_map(|mount| {
            let at = trim(mount["mountPath"].as_str()?);
            let rest = dir
                .strip_prefix(at)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            let host = host_path(pod, mount["name"].as_str()?)?;
            Some((at.len(), format!("{}{rest}", trim(&host))))
        })
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn manifests_differ_by_what_they_mean() {
        let before = json!({"a": {"command": ["e", "--x=1", "--y=2"], "n": 1}, "status": {}});
        for (now, found) in [
            (
                json!({"a": {"n": 1, "command": ["e", "--y=2", "--x=1"]}}),
                None,
            ),
            (
                json!({"a": {"n": 1, "command": ["e", "--x=3", "--y=2"]}}),
                Some("\"--x=3\" in a.command"),
            ),
            (
                json!({"a": {"n": 1, "command": ["e", "--x=1"]}}),
                Some("a.command without \"--y=2\""),
            ),
            (
                json!({"a": {"n": 2, "command": ["e", "--x=1", "--y=2"]}}),
                Some("2 at a.n"),
            ),
            (
                json!({"a": {"n": 1, "command": ["e", "--x=1", "--y=2"]}, "b": 1}),
                Some("b is new: 1"),
            ),
            (json!({}), Some("a is gone")),
            (
                json!({"a": {"command": ["e", "--x=1", "--y=2"], "n": 1}, "v": []}),
                None,
            ),
        ] {
            assert_eq!(difference(&before, &now, "").as_deref(), found, "{now}");
        }
    }

    #[test]
    fn volumes_may_come_in_any_order() {
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
        let before = json!({"v": [mount("a", "/a"), mount("b", "/b")]});
        let swapped = json!({"v": [mount("b", "/b"), mount("a", "/a")]});
        let other = json!({"v": [mount("b", "/b"), mount("a", "/c")]});
        assert_eq!(difference(&before, &swapped, ""), None);
        assert!(difference(&before, &other, "").is_some());
    }

    #[test]
    fn the_closest_mount_wins() {
        let pod = json!({"spec": {
            "containers": [{"volumeMounts": [
                {"name": "var", "mountPath": "/var/lib/"},
                {"name": "data", "mountPath": "/var/lib/etcd"},
                {"name": "gone", "mountPath": "/var/lib/etcd/deep"},
            ]}],
            "volumes": [
                {"name": "var", "hostPath": {"path": "/host"}},
                {"name": "data", "hostPath": {"path": "/restored/"}},
            ],
        }});
        for (dir, path) in [
            ("/var/lib/etcd", Some("/restored")),
            ("/var/lib/etcd/", Some("/restored")),
            ("/var/lib/etcd/x", Some("/restored/x")),
            ("/var/lib/etcd-restore", Some("/host/etcd-restore")),
            ("/srv", None),
        ] {
            assert_eq!(mounted_at(&pod, dir).as_deref(), path, "{dir}");
        }
    }
}
