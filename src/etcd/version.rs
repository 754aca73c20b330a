//! The version that this server speaks: that of its reference.

/// What peers and clients are told (`api/version/version.go`).
pub const VERSION: &str = "3.5.16";
/// The oldest cluster that a member of this version works in.
pub const MIN_CLUSTER_VERSION: &str = "3.0.0";

/// Major and minor number of a version, for comparisons.
#[must_use]
pub fn major_minor(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
