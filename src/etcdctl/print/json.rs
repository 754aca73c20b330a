//! JSON with the names, the order and the omissions of the reference's types.

use wire::etcdserverpb as pb;
use wire::etcdserverpb::response_op::Response as Op;
use wire::mvccpb::{Event, KeyValue};

use super::{EndpointHash, EndpointHealth, EndpointStatus, header as header_of};
use crate::json::{Object, bytes, list, string};

fn with_header_fields(object: Object, header: &pb::ResponseHeader) -> Object {
    object
        .plain_omit("cluster_id", header.cluster_id)
        .plain_omit("member_id", header.member_id)
        .plain_omit("revision", header.revision)
        .plain_omit("raft_term", header.raft_term)
}

/// The header of an answer.
pub fn header(header: &pb::ResponseHeader) -> String {
    with_header_fields(Object::default(), header).end()
}

fn start(value: Option<&pb::ResponseHeader>) -> Object {
    Object::default().option("header", value, header)
}

/// Lease answers carry the header's fields as their own.
fn flat(value: Option<&pb::ResponseHeader>) -> Object {
    match value {
        Some(header) => with_header_fields(Object::default(), header),
        None => Object::default(),
    }
}

/// An answer that is nothing but a header.
pub fn only_header(value: Option<&pb::ResponseHeader>) -> String {
    start(value).end()
}

fn key_value(kv: &KeyValue) -> String {
    Object::default()
        .bytes_omit("key", &kv.key)
        .plain_omit("create_revision", kv.create_revision)
        .plain_omit("mod_revision", kv.mod_revision)
        .plain_omit("version", kv.version)
        .bytes_omit("value", &kv.value)
        .plain_omit("lease", kv.lease)
        .end()
}

/// `get`.
pub fn range(response: &pb::RangeResponse) -> String {
    start(response.header.as_ref())
        .list_omit("kvs", &response.kvs, key_value)
        .plain_omit("more", response.more)
        .plain_omit("count", response.count)
        .end()
}

/// `put`.
pub fn put(response: &pb::PutResponse) -> String {
    start(response.header.as_ref())
        .option("prev_kv", response.prev_kv.as_ref(), key_value)
        .end()
}

/// `del`.
pub fn delete(response: &pb::DeleteRangeResponse) -> String {
    start(response.header.as_ref())
        .plain_omit("deleted", response.deleted)
        .list_omit("prev_kvs", &response.prev_kvs, key_value)
        .end()
}

/// `txn`.
pub fn txn(response: &pb::TxnResponse) -> String {
    start(response.header.as_ref())
        .plain_omit("succeeded", response.succeeded)
        .list_omit("responses", &response.responses, |op| {
            let inner = match &op.response {
                Some(Op::ResponseRange(r)) => {
                    Object::default().raw("response_range", &range(r)).end()
                }
                Some(Op::ResponsePut(r)) => Object::default().raw("response_put", &put(r)).end(),
                Some(Op::ResponseDeleteRange(r)) => Object::default()
                    .raw("response_delete_range", &delete(r))
                    .end(),
                Some(Op::ResponseTxn(r)) => Object::default().raw("response_txn", &txn(r)).end(),
                None => "null".into(),
            };
            Object::default().raw("Response", &inner).end()
        })
        .end()
}

fn event(event: &Event) -> String {
    Object::default()
        .plain_omit("type", event.r#type)
        .option("kv", event.kv.as_ref(), key_value)
        .option("prev_kv", event.prev_kv.as_ref(), key_value)
        .end()
}

/// `watch`: the client's own type, whose fields have no tags.
pub fn watch(response: &pb::WatchResponse) -> String {
    // What the client made up has no list; what came from a server has one.
    let events = match response.header {
        None => "null".into(),
        Some(_) => list(&response.events, event),
    };
    Object::default()
        .raw("Header", &header(&header_of(response.header.as_ref())))
        .raw("Events", &events)
        .plain("CompactRevision", response.compact_revision)
        .plain("Canceled", response.canceled)
        .plain("Created", response.created)
        .end()
}

/// `lease grant`.
pub fn grant(response: &pb::LeaseGrantResponse) -> String {
    flat(response.header.as_ref())
        .plain("ID", response.id)
        .plain("TTL", response.ttl)
        .text("Error", &response.error)
        .end()
}

/// `lease keep-alive`.
pub fn keep_alive(response: &pb::LeaseKeepAliveResponse) -> String {
    flat(response.header.as_ref())
        .plain("ID", response.id)
        .plain("TTL", response.ttl)
        .end()
}

/// `lease timetolive`.
pub fn time_to_live(response: &pb::LeaseTimeToLiveResponse) -> String {
    let keys = match response.keys.as_slice() {
        [] => "null".into(),
        keys => list(keys, |key| bytes(key)),
    };
    flat(response.header.as_ref())
        .plain("id", response.id)
        .plain("ttl", response.ttl)
        .plain("granted-ttl", response.granted_ttl)
        .raw("keys", &keys)
        .end()
}

/// `lease list`.
pub fn leases(response: &pb::LeaseLeasesResponse) -> String {
    let leases = list(&response.leases, |lease| {
        Object::default().plain("id", lease.id).end()
    });
    flat(response.header.as_ref()).raw("leases", &leases).end()
}

fn member(member: &pb::Member) -> String {
    Object::default()
        .plain_omit("ID", member.id)
        .text_omit("name", &member.name)
        .list_omit("peerURLs", &member.peer_ur_ls, |u| string(u))
        .list_omit("clientURLs", &member.client_ur_ls, |u| string(u))
        .plain_omit("isLearner", member.is_learner)
        .end()
}

/// An answer with the members of the cluster.
pub fn members(
    header: Option<&pb::ResponseHeader>,
    added: Option<&pb::Member>,
    all: &[pb::Member],
) -> String {
    start(header)
        .option("member", added, member)
        .list_omit("members", all, member)
        .end()
}

/// `member list`.
pub fn member_list(response: &pb::MemberListResponse) -> String {
    members(response.header.as_ref(), None, &response.members)
}

/// `member list --hex`, whose spelling (`clientURLS`) is the reference's.
pub fn member_list_hex(response: &pb::MemberListResponse) -> String {
    let head = header_of(response.header.as_ref());
    let urls = |urls: &[String]| {
        if urls.is_empty() {
            "null".into()
        } else {
            list(urls, |u| string(u))
        }
    };
    let head = Object::default()
        .text("cluster_id", &format!("{:x}", head.cluster_id))
        .text("member_id", &format!("{:x}", head.member_id))
        .plain("raft_term", head.raft_term)
        .end();
    Object::default()
        .raw("header", &head)
        .list_omit("members", &response.members, |member| {
            Object::default()
                .text("ID", &format!("{:x}", member.id))
                .text("name", &member.name)
                .raw("peerURLs", &urls(&member.peer_ur_ls))
                .raw("clientURLS", &urls(&member.client_ur_ls))
                .end()
        })
        .end()
}

/// `endpoint health`.
pub fn health(lines: &[EndpointHealth]) -> String {
    list(lines, |line| {
        Object::default()
            .text("endpoint", &line.endpoint)
            .plain("health", line.health)
            .text("took", &line.took)
            .text_omit("error", &line.error)
            .end()
    })
}

/// `endpoint status`.
pub fn status(lines: &[EndpointStatus]) -> String {
    list(lines, |line| {
        let r = &line.response;
        let status = start(r.header.as_ref())
            .text_omit("version", &r.version)
            .plain_omit("dbSize", r.db_size)
            .plain_omit("leader", r.leader)
            .plain_omit("raftIndex", r.raft_index)
            .plain_omit("raftTerm", r.raft_term)
            .plain_omit("raftAppliedIndex", r.raft_applied_index)
            .list_omit("errors", &r.errors, |e| string(e))
            .plain_omit("dbSizeInUse", r.db_size_in_use)
            .plain_omit("isLearner", r.is_learner)
            .end();
        Object::default()
            .text("Endpoint", &line.endpoint)
            .raw("Status", &status)
            .end()
    })
}

/// `endpoint hashkv`.
pub fn hashes(lines: &[EndpointHash]) -> String {
    list(lines, |line| {
        let hash = start(line.response.header.as_ref())
            .plain_omit("hash", line.response.hash)
            .plain_omit("compact_revision", line.response.compact_revision)
            .end();
        Object::default()
            .text("Endpoint", &line.endpoint)
            .raw("HashKV", &hash)
            .end()
    })
}

/// `alarm list`.
pub fn alarms(response: &pb::AlarmResponse) -> String {
    start(response.header.as_ref())
        .list_omit("alarms", &response.alarms, |alarm| {
            Object::default()
                .plain_omit("memberID", alarm.member_id)
                .plain_omit("alarm", alarm.alarm)
                .end()
        })
        .end()
}
