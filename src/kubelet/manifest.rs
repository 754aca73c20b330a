//! Static Pods: from a file's text to a Pod, and from a Pod to its mirror.

use kube::object;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The annotations of Kubernetes 1.32 (`pkg/kubelet/types/pod_update.go`).
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// Reads the Pod of one file. `now` is when the file was seen, RFC 3339.
///
/// # Errors
/// Why the file is no static Pod, in words for the log.
pub fn parse(file: &str, text: &str, node: &str, now: &str) -> Result<Value, String> {
    let mut documents = kube::yaml::parse_documents(text).map_err(|error| error.to_string())?;
    documents.retain(|document| !document.is_null());
    if documents.len() != 1 {
        return Err(format!(
            "expected one Pod, found {} documents",
            documents.len()
        ));
    }
    let mut pod = documents.remove(0);
    if object::text(&pod, "apiVersion") != "v1" || object::text(&pod, "kind") != "Pod" {
        return Err(format!(
            "invalid pod: apiVersion {:?}, kind {:?}",
            object::text(&pod, "apiVersion"),
            object::text(&pod, "kind")
        ));
    }
    let name = object::name(&pod).to_owned();
    if name.is_empty() {
        return Err("invalid pod: metadata.name: Required value".into());
    }
    if object::list(&pod, "spec.containers").is_empty() {
        return Err("invalid pod: spec.containers: Required value".into());
    }
    let mistakes = mistakes(&pod);
    if !mistakes.is_empty() {
        return Err(format!("invalid pod: [{}]", mistakes.join(", ")));
    }
    // What the text means, not how it is written: a new comment is no new Pod. The file's
    // name belongs to it, so that two files with one text are two Pods.
    let mut digest = Sha256::new();
    digest.update(pod.to_string());
    digest.update(format!("host:{node}file:{file}"));
    let hash = hex(&digest.finalize()[..16]);
    if object::namespace(&pod).is_empty() {
        object::set(&mut pod, "metadata.namespace", json!("default"));
    }
    object::set(&mut pod, "metadata.name", json!(format!("{name}-{node}")));
    object::set(&mut pod, "metadata.uid", json!(hash));
    for (key, value) in [
        (CONFIG_HASH, hash.as_str()),
        (CONFIG_SOURCE, "file"),
        (CONFIG_SEEN, now),
    ] {
        object::set_annotation(&mut pod, key, value);
    }
    object::set(&mut pod, "spec.nodeName", json!(node));
    object::set_default(&mut pod, "spec.restartPolicy", json!("Always"));
    object::set_default(&mut pod, "spec.terminationGracePeriodSeconds", json!(30));
    // A static Pod tolerates whatever its node is tainted with.
    object::set_default(
        &mut pod,
        "spec.tolerations",
        json!([{"effect": "NoExecute", "operator": "Exists"}]),
    );
    object::remove(&mut pod, "status");
    Ok(pod)
}

/// What a Pod that is parsed lacks, in the words of its validation (Kubernetes 1.32
/// `pkg/apis/core/validation`).
fn mistakes(pod: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    let volumes: Vec<&str> = object::list(pod, "spec.volumes")
        .iter()
        .map(|volume| object::text(volume, "name"))
        .collect();
    for (index, name) in volumes.iter().enumerate() {
        if volumes[..index].contains(name) {
            mistakes.push(format!(
                "spec.volumes[{index}].name: Duplicate value: {name:?}"
            ));
        }
    }
    for (index, container) in object::list(pod, "spec.containers").iter().enumerate() {
        let path = format!("spec.containers[{index}]");
        for key in ["name", "image"] {
            if object::text(container, key).is_empty() {
                mistakes.push(format!("{path}.{key}: Required value"));
            }
        }
        for (at, mount) in object::list(container, "volumeMounts").iter().enumerate() {
            let name = object::text(mount, "name");
            let path = format!("{path}.volumeMounts[{at}]");
            if !volumes.contains(&name) {
                mistakes.push(format!("{path}.name: Not found: {name:?}"));
            }
            if object::text(mount, "mountPath").is_empty() {
                mistakes.push(format!("{path}.mountPath: Required value"));
            }
        }
    }
    mistakes
}

/// The object that shows a static Pod in the API.
pub fn mirror(pod: &Value, node_uid: &str) -> Value {
    let mut mirror = pod.clone();
    let node = object::text(pod, "spec.nodeName").to_owned();
    object::remove(&mut mirror, "metadata.uid");
    let hash = object::annotation(pod, CONFIG_HASH).to_owned();
    object::set_annotation(&mut mirror, CONFIG_MIRROR, &hash);
    if !node_uid.is_empty() {
        let owner = json!([{
            "apiVersion": "v1", "controller": true, "kind": "Node", "name": node, "uid": node_uid,
        }]);
        object::set(&mut mirror, "metadata.ownerReferences", owner);
    }
    mirror
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\n  namespace: kube-system\n\
                       spec:\n  containers:\n  - name: etcd\n    image: registry.k8s.io/etcd:3.5.16-0\n";

    #[test]
    fn a_static_pod_is_named_after_its_node_and_identified_by_its_text() {
        let pod = parse("etcd.yaml", POD, "controlplane", "now").unwrap();
        assert_eq!(object::name(&pod), "etcd-controlplane");
        let edited = parse(
            "etcd.yaml",
            &format!("{POD}  hostNetwork: true\n"),
            "controlplane",
            "now",
        );
        assert_ne!(object::uid(&pod), object::uid(&edited.unwrap()));
        let commented = parse(
            "etcd.yaml",
            &format!("# A remark.\n{POD}"),
            "controlplane",
            "now",
        );
        assert_eq!(object::uid(&pod), object::uid(&commented.unwrap()));
        let copy = parse("etcd.yaml.bak", POD, "controlplane", "now");
        assert_ne!(object::uid(&pod), object::uid(&copy.unwrap()));
        let mirror = mirror(&pod, "uid-of-node");
        assert_eq!(
            object::annotation(&mirror, CONFIG_MIRROR),
            object::uid(&pod)
        );
        assert_eq!(object::uid(&mirror), "");
    }

    #[test]
    fn what_is_no_pod_is_refused_with_words() {
        for (text, says) in [
            ("", "found 0 documents"),
            ("a: [", ""),
            ("kind: Service\napiVersion: v1\n", "kind \"Service\""),
            ("kind: Pod\napiVersion: v1\n", "metadata.name"),
            (
                "kind: Pod\napiVersion: v1\nmetadata: {name: x}\n",
                "spec.containers",
            ),
            (
                "kind: Pod\napiVersion: v1\nmetadata: {name: x}\nspec: {containers: [{name: x}]}\n",
                "spec.containers[0].image: Required value",
            ),
            (
                "kind: Pod\napiVersion: v1\nmetadata: {name: x}\nspec: {containers: [{name: x, \
                 image: nginx, volumeMounts: [{name: data, mountPath: /x}]}]}\n",
                "invalid pod: [spec.containers[0].volumeMounts[0].name: Not found: \"data\"]",
            ),
        ] {
            let error = parse("x.yaml", text, "node01", "now").unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
