//! The version that this program is equal to.

/// Version of the reference whose behaviour, files and messages these are.
pub const ETCD: &str = "3.5.16";

/// Version of the API.
pub const API: &str = "3.5";
