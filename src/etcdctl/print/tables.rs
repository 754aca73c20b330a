//! Rows that the simple and the table format share.

use wire::etcdserverpb as pb;

use super::{EndpointHash, EndpointHealth, EndpointStatus, header};
use crate::go::size;

/// Column names and rows.
pub type Table = (&'static [&'static str], Vec<Vec<String>>);

/// `member list`.
pub fn members(response: &pb::MemberListResponse) -> Table {
    let rows = response.members.iter().map(|member| {
        vec![
            format!("{:x}", member.id),
            if member.name.is_empty() {
                "unstarted".into()
            } else {
                "started".into()
            },
            member.name.clone(),
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner.to_string(),
        ]
    });
    (
        &[
            "ID",
            "Status",
            "Name",
            "Peer Addrs",
            "Client Addrs",
            "Is Learner",
        ],
        rows.collect(),
    )
}

/// `endpoint health`.
pub fn health(lines: &[EndpointHealth]) -> Table {
    let rows = lines.iter().map(|line| {
        vec![
            line.endpoint.clone(),
            line.health.to_string(),
            line.took.clone(),
            line.error.clone(),
        ]
    });
    (&["endpoint", "health", "took", "error"], rows.collect())
}

/// `endpoint status`.
pub fn status(lines: &[EndpointStatus]) -> Table {
    let rows = lines.iter().map(|line| {
        let response = &line.response;
        let member = header(response.header.as_ref()).member_id;
        vec![
            line.endpoint.clone(),
            format!("{member:x}"),
            response.version.clone(),
            size::bytes(response.db_size as u64),
            (response.leader == member).to_string(),
            response.is_learner.to_string(),
            response.raft_term.to_string(),
            response.raft_index.to_string(),
            response.raft_applied_index.to_string(),
            response.errors.join(", "),
        ]
    });
    let header = &[
        "endpoint",
        "ID",
        "version",
        "db size",
        "is leader",
        "is learner",
        "raft term",
        "raft index",
        "raft applied index",
        "errors",
    ];
    (header, rows.collect())
}

/// `endpoint hashkv`.
pub fn hashes(lines: &[EndpointHash]) -> Table {
    let rows = lines
        .iter()
        .map(|line| vec![line.endpoint.clone(), line.response.hash.to_string()]);
    (&["endpoint", "hash"], rows.collect())
}
