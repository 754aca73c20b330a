//! `kubeadm config images list`: what a control plane of 1.32 runs (kubeadm 1.32
//! `app/images/images.go`, `app/constants/constants.go`).

use serde_json::json;

use super::{VERSION, structured};

const REGISTRY: &str = "registry.k8s.io";

/// Images whose tags do not follow the cluster's version.
const OTHERS: [&str; 3] = ["coredns/coredns:v1.11.3", "pause:3.10", "etcd:3.5.16-0"];

/// The list, as text or as `output` says. `version`: `--kubernetes-version`.
///
/// # Errors
/// An unknown format, or a version that this kubeadm does not know the images of.
pub fn list(version: Option<&str>, output: &str) -> Result<String, String> {
    let version = version.unwrap_or(VERSION);
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    if minor(version) != minor(VERSION) {
        return Err(format!(
            "this kubeadm is {VERSION} and knows the images of that minor version, not those \
             of {version}"
        ));
    }
    let own = ["apiserver", "controller-manager", "scheduler", "proxy"]
        .map(|part| format!("{REGISTRY}/kube-{part}:{version}"));
    let others = OTHERS.map(|image| format!("{REGISTRY}/{image}"));
    let images: Vec<String> = own.into_iter().chain(others).collect();
    if output.is_empty() || output == "text" {
        return Ok(images.join("\n") + "\n");
    }
    let object = json!({
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "images": images,
        "kind": "Images",
    });
    structured(output, &object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_of_the_labs_version_are_listed() {
        let text = list(None, "").unwrap();
        assert_eq!(text.lines().count(), 7);
        assert!(text.starts_with(&format!("registry.k8s.io/kube-apiserver:{VERSION}\n")));
        assert!(
            text.ends_with("\nregistry.k8s.io/etcd:3.5.16-0\n"),
            "{text}"
        );
        let text = list(Some("v1.32.0"), "text").unwrap();
        assert!(text.contains("kube-proxy:v1.32.0\n"), "{text}");
        assert!(list(None, "json").unwrap().contains("\"kind\": \"Images\""));
        assert!(list(Some("v1.31.0"), "").unwrap_err().contains("v1.31.0"));
        assert!(
            list(None, "table")
                .unwrap_err()
                .contains("invalid output format")
        );
    }
}
