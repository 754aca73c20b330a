//! What requests cost against the quota (`etcdserver/quota.go`), and which need
//! no log entry (`etcdserver/v3_server.go`).

use pb::request_op::Request as Op;
use wire::etcdserverpb as pb;

/// etcd's default: 2 GiB.
pub(crate) const DEFAULT_QUOTA: i64 = 2 << 30;

const LEASE_OVERHEAD: u64 = 64;
const KV_OVERHEAD: u64 = 256;

/// Bytes that a request may add to the database, as etcd's quota counts them; 0
/// for one that the quota does not hold back.
pub fn request_cost(request: &pb::InternalRaftRequest) -> u64 {
    if let Some(put) = &request.put {
        return put_cost(put);
    }
    if let Some(txn) = &request.txn {
        return txn_cost(txn);
    }
    match request.lease_grant {
        Some(_) => LEASE_OVERHEAD,
        None => 0,
    }
}

fn put_cost(put: &pb::PutRequest) -> u64 {
    KV_OVERHEAD + put.key.len() as u64 + put.value.len() as u64
}

/// Puts of transactions within do not count, as in etcd.
fn txn_cost(txn: &pb::TxnRequest) -> u64 {
    let sum = |ops: &[pb::RequestOp]| -> u64 {
        ops.iter()
            .map(|op| match &op.request {
                Some(Op::RequestPut(put)) => put_cost(put),
                _ => 0,
            })
            .sum()
    };
    sum(&txn.success).max(sum(&txn.failure))
}

fn all_ranges(txn: &pb::TxnRequest, accept: impl Fn(&pb::RangeRequest) -> bool) -> bool {
    txn.success
        .iter()
        .chain(&txn.failure)
        .all(|op| matches!(&op.request, Some(Op::RequestRange(range)) if accept(range)))
}

/// True if a transaction holds ranges only. (One within it counts as a write, as
/// in etcd.)
pub fn is_read_only(request: &pb::TxnRequest) -> bool {
    all_ranges(request, |_| true)
}

/// True if a transaction holds serializable ranges only.
pub fn is_serializable(request: &pb::TxnRequest) -> bool {
    all_ranges(request, |range| range.serializable)
}
