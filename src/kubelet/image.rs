//! Which images run for real, which are simulated and which can't be pulled.

pub use kube::image::repository;

/// What the kubelet does with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// The image's program is an applet of this name; the command runs for real.
    Real,
    /// The container is said to run.
    Simulated,
    /// The name can't be understood; why, for InvalidImageName.
    Malformed(String),
    /// The image can't be had; why, for ErrImagePull, is made by [`pull_error`].
    Missing,
}

/// Applets that a container of an image finds in its PATH.
pub fn applets(image: &str) -> Vec<String> {
    let own = repository(image);
    let mut applets = vec![own.to_owned()];
    if own == "etcd" {
        applets.extend(["etcdctl".to_owned(), "etcdutl".to_owned()]);
    }
    applets
}

fn tag(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

/// What becomes of an image. There is no registry to ask: a tag that starts with a
/// letter must be one of those that images commonly have.
pub fn classify(image: &str) -> Image {
    if kube::image::runs(image) {
        return Image::Real;
    }
    let tag = tag(image);
    let usual = [
        "latest", "alpine", "stable", "mainline", "slim", "edge", "perl", "glibc", "musl",
    ];
    let known = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            || (word.starts_with('v') && word[1..].starts_with(|c: char| c.is_ascii_digit()))
            || usual.iter().any(|usual| word.starts_with(usual))
    };
    if let Some(why) = kube::image::problem(image) {
        return Image::Malformed(why);
    }
    if image.contains('@') || known(tag) {
        Image::Simulated
    } else {
        Image::Missing
    }
}

/// What containerd says when it does not find an image.
pub fn pull_error(image: &str) -> String {
    let full = crate::state::full_image(image);
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": \
         {full}: not found"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_apart() {
        for (image, expected) in [
            ("registry.k8s.io/etcd:3.5.16-0", Image::Real),
            ("registry.k8s.io/kube-apiserver:v1.32.4", Image::Real),
            ("nginx", Image::Simulated),
            ("nginx:1.27-alpine", Image::Simulated),
            ("busybox:stable", Image::Simulated),
            ("nginx:doesnotexist", Image::Missing),
            ("nginx:latset", Image::Missing),
            (
                "Nginx",
                Image::Malformed(
                    "invalid reference format: repository name (library/Nginx) must be lowercase"
                        .into(),
                ),
            ),
        ] {
            assert_eq!(classify(image), expected, "{image}");
        }
    }
}
