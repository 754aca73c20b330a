//! One field a line: `"Key" : "a"`.

use wire::etcdserverpb as pb;
use wire::etcdserverpb::response_op::Response as Op;
use wire::mvccpb::KeyValue;

use super::simple::event_type;
use super::{EndpointHash, EndpointHealth, EndpointStatus, header as header_of};
use crate::go::quote::quote;

fn plain(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    out.extend_from_slice(format!("\"{name}\" : {value}\n").as_bytes());
}

fn quoted(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    plain(out, name, quote(value.as_ref()));
}

/// The header of every answer.
pub fn header(header: &pb::ResponseHeader, out: &mut Vec<u8>) {
    plain(out, "ClusterID", header.cluster_id);
    plain(out, "MemberID", header.member_id);
    plain(out, "Revision", header.revision);
    plain(out, "RaftTerm", header.raft_term);
}

/// An answer that is nothing but a header.
pub fn only_header(value: Option<&pb::ResponseHeader>) -> Vec<u8> {
    let mut out = Vec::new();
    head(value, &mut out);
    out
}

/// `role get`.
pub fn role(response: &pb::AuthRoleGetResponse) -> Vec<u8> {
    let mut out = only_header(response.header.as_ref());
    for permission in &response.perm {
        // Two spaces, as the reference prints them.
        let kind = permission.perm_type().as_str_name();
        plain(&mut out, "PermType", format!(" {kind}"));
        quoted(&mut out, "Key", &permission.key);
        quoted(&mut out, "RangeEnd", &permission.range_end);
    }
    out
}

/// `role list`.
pub fn roles(response: &pb::AuthRoleListResponse) -> Vec<u8> {
    let mut out = only_header(response.header.as_ref());
    out.extend_from_slice(b"\"Roles\" :");
    for role in &response.roles {
        out.extend_from_slice(format!(" {}", quote(role.as_bytes())).as_bytes());
    }
    out.push(b'\n');
    out
}

fn head(value: Option<&pb::ResponseHeader>, out: &mut Vec<u8>) {
    header(&header_of(value), out);
}

fn key_value(kv: &KeyValue, prefix: &str, out: &mut Vec<u8>) {
    quoted(out, &format!("{prefix}Key"), &kv.key);
    plain(out, &format!("{prefix}CreateRevision"), kv.create_revision);
    plain(out, &format!("{prefix}ModRevision"), kv.mod_revision);
    plain(out, &format!("{prefix}Version"), kv.version);
    quoted(out, &format!("{prefix}Value"), &kv.value);
    plain(out, &format!("{prefix}Lease"), kv.lease);
}

/// `get`.
pub fn get(response: &pb::RangeResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    for kv in &response.kvs {
        key_value(kv, "", out);
    }
    plain(out, "More", response.more);
    plain(out, "Count", response.count);
}

/// `put`.
pub fn put(response: &pb::PutResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    if let Some(kv) = &response.prev_kv {
        key_value(kv, "Prev", out);
    }
}

/// `del`.
pub fn del(response: &pb::DeleteRangeResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    plain(out, "Deleted", response.deleted);
    for kv in &response.prev_kvs {
        key_value(kv, "Prev", out);
    }
}

/// `txn`.
pub fn txn(response: &pb::TxnResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    plain(out, "Succeeded", response.succeeded);
    for op in &response.responses {
        match &op.response {
            Some(Op::ResponseRange(response)) => get(response, out),
            Some(Op::ResponsePut(response)) => put(response, out),
            Some(Op::ResponseDeleteRange(response)) => del(response, out),
            Some(Op::ResponseTxn(response)) => txn(response, out),
            None => plain(out, "Unknown", "\"\""),
        }
    }
}

/// `watch`.
pub fn watch(response: &pb::WatchResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    for event in &response.events {
        plain(out, "Type", event_type(event));
        if let Some(previous) = &event.prev_kv {
            key_value(previous, "Prev", out);
        }
        key_value(&event.kv.clone().unwrap_or_default(), "", out);
    }
}

/// `lease grant`.
pub fn grant(response: &pb::LeaseGrantResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    plain(out, "ID", response.id);
    plain(out, "TTL", response.ttl);
}

/// `lease keep-alive`.
pub fn keep_alive(response: &pb::LeaseKeepAliveResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    plain(out, "ID", response.id);
    plain(out, "TTL", response.ttl);
}

/// `lease timetolive`.
pub fn time_to_live(response: &pb::LeaseTimeToLiveResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    plain(out, "ID", response.id);
    plain(out, "TTL", response.ttl);
    plain(out, "GrantedTTL", response.granted_ttl);
    for key in &response.keys {
        quoted(out, "Key", key);
    }
}

/// `lease list`.
pub fn leases(response: &pb::LeaseLeasesResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    for lease in &response.leases {
        plain(out, "ID", lease.id);
    }
}

/// `member list`.
pub fn members(response: &pb::MemberListResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    for member in &response.members {
        plain(out, "ID", member.id);
        quoted(out, "Name", &member.name);
        for url in &member.peer_ur_ls {
            quoted(out, "PeerURL", url);
        }
        for url in &member.client_ur_ls {
            quoted(out, "ClientURL", url);
        }
        plain(out, "IsLearner", member.is_learner);
        out.push(b'\n');
    }
}

/// `endpoint health`.
pub fn health(lines: &[EndpointHealth], out: &mut Vec<u8>) {
    for line in lines {
        quoted(out, "Endpoint", &line.endpoint);
        plain(out, "Health", line.health);
        plain(out, "Took", &line.took);
        plain(out, "Error", &line.error);
        out.push(b'\n');
    }
}

/// `endpoint status`.
pub fn status(lines: &[EndpointStatus], out: &mut Vec<u8>) {
    for line in lines {
        let response = &line.response;
        head(response.header.as_ref(), out);
        quoted(out, "Version", &response.version);
        plain(out, "DBSize", response.db_size);
        plain(out, "Leader", response.leader);
        plain(out, "IsLearner", response.is_learner);
        plain(out, "RaftIndex", response.raft_index);
        plain(out, "RaftTerm", response.raft_term);
        plain(out, "RaftAppliedIndex", response.raft_applied_index);
        plain(out, "Errors", format!("[{}]", response.errors.join(" ")));
        quoted(out, "Endpoint", &line.endpoint);
        out.push(b'\n');
    }
}

/// `endpoint hashkv`.
pub fn hashes(lines: &[EndpointHash], out: &mut Vec<u8>) {
    for line in lines {
        head(line.response.header.as_ref(), out);
        quoted(out, "Endpoint", &line.endpoint);
        plain(out, "Hash", line.response.hash);
        out.push(b'\n');
    }
}

/// `alarm list`.
pub fn alarms(response: &pb::AlarmResponse, out: &mut Vec<u8>) {
    head(response.header.as_ref(), out);
    for alarm in &response.alarms {
        plain(out, "MemberID", alarm.member_id);
        plain(out, "AlarmType", alarm.alarm().as_str_name());
        out.push(b'\n');
    }
}
