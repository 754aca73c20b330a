//! References of images: their grammar, and which ones have a program on a node here.
//!
//! Reference: `distribution/reference` as Kubernetes 1.32 uses it.

/// The control plane's images: their programs are part of this one.
const PROGRAMS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// The last part of an image's path, without its tag.
#[must_use]
pub fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

/// Whether commands of this image run for real; others are simulated.
#[must_use]
pub fn runs(image: &str) -> bool {
    PROGRAMS.contains(&repository(image))
}

const INVALID: &str = "invalid reference format";

/// Why the kubelet can't make sense of a reference; nothing if it can.
#[must_use]
pub fn problem(image: &str) -> Option<String> {
    let (domain, path) = normalized(image);
    let name = path.split(':').next().unwrap_or_default();
    if name.chars().any(char::is_uppercase) {
        return Some(format!(
            "{INVALID}: repository name ({name}) must be lowercase"
        ));
    }
    (!well_formed(&format!("{domain}/{path}"))).then(|| INVALID.to_owned())
}

/// A reference as registry and path, filled in as Docker does.
fn normalized(image: &str) -> (&str, String) {
    let registry = image.split_once('/').filter(|(first, _)| {
        first.contains(['.', ':']) || *first == "localhost" || first.chars().any(char::is_uppercase)
    });
    match registry {
        Some((domain, path)) => (domain, path.to_owned()),
        None if image.contains('/') => ("docker.io", image.to_owned()),
        None => ("docker.io", format!("library/{image}")),
    }
}

/// Whether the text is a reference by its grammar alone.
#[must_use]
pub fn well_formed(image: &str) -> bool {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return false;
    }
    // A colon before the last slash belongs to the registry's port.
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].split_once(':') {
        Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag)),
        None => (rest, None),
    };
    tag.is_none_or(is_tag) && is_name(name)
}

fn is_name(name: &str) -> bool {
    if name.split('/').all(is_component) {
        return true;
    }
    name.split_once('/')
        .is_some_and(|(domain, path)| is_domain(domain) && path.split('/').all(is_component))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    host.split('.').all(part) && port.is_none_or(number)
}

/// Small letters and digits, with a dot, one or two underscores or hyphens between.
fn is_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !part.starts_with(word) || !part.ends_with(word) {
        return false;
    }
    part.split(word).all(|between| {
        matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-')
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_grammar() {
        let digest = format!("nginx@sha256:{}", "0a".repeat(32));
        for (image, good) in [
            ("nginx", true),
            ("nginx:1.27-alpine", true),
            ("library/my__image.v1-a:latest", true),
            ("localhost:5000/a/b:c", true),
            ("Registry.example.com/a/b", true),
            (digest.as_str(), true),
            ("", false),
            ("Nginx", false),
            ("library/Nginx", false),
            ("a__b___c", false),
            ("nginx:", false),
            ("nginx:-x", false),
            ("nginx::1", false),
            ("a b", false),
            ("/nginx", false),
            ("nginx/", false),
            ("nginx@sha256:12", false),
        ] {
            assert_eq!(well_formed(image), good, "{image}");
        }
    }

    #[test]
    fn what_the_kubelet_says_of_a_bad_reference() {
        assert_eq!(problem("nginx:1"), None);
        assert_eq!(problem("Registry:5000/a"), None);
        assert_eq!(
            problem("Nginx:1").as_deref(),
            Some("invalid reference format: repository name (library/Nginx) must be lowercase")
        );
        assert_eq!(problem("a b").as_deref(), Some("invalid reference format"));
    }

    #[test]
    fn programs_of_the_control_plane_run() {
        assert!(runs("registry.k8s.io/etcd:3.5.16-0"));
        assert!(!runs("quay.io/me/etcd-backup:1"));
    }
}
