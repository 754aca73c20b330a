//! Ids of members and clusters (`api/membership/member.go`, `cluster.go`).

use super::sha1;

/// The id of a member: the first eight bytes of the SHA-1 of its sorted peer
/// URLs, the cluster token and, for a member added to a running cluster, the
/// time of that in seconds since 1970.
pub fn member_id(peer_urls: &[String], token: &str, added_unix: Option<i64>) -> u64 {
    let mut urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    urls.sort_unstable();
    let mut text = urls.concat();
    text.push_str(token);
    if let Some(seconds) = added_unix {
        text.push_str(&seconds.to_string());
    }
    sha1::first_u64(text.as_bytes())
}

/// The id of a cluster: the first eight bytes of the SHA-1 of the sorted ids of
/// the members it was born with.
pub fn cluster_id(member_ids: impl IntoIterator<Item = u64>) -> u64 {
    let mut ids: Vec<u64> = member_ids.into_iter().collect();
    ids.sort_unstable();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
    sha1::first_u64(&bytes)
}
