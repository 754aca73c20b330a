//! Requests on the keyspace (`etcdserver/apply.go`): put, delete, transactions.

use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::request_op::Request as Op;
use pb::response_op::Response as Answer;
use std::cmp::Ordering;
use wire::etcdserverpb as pb;
use wire::mvccpb::KeyValue;

use crate::index::Span;
use crate::state::{Plan, State, header};
use crate::tally::Operations;
use crate::writer::Writer;
use crate::{Error, Result};

/// Which branch each transaction takes, those within in order of their place.
type Path = [bool];

/// A range inside of a write transaction.
pub(crate) fn range(
    state: &State,
    request: &pb::RangeRequest,
    current: i64,
) -> Result<pb::RangeResponse> {
    state.plan_range(request, current)?.answer(request)
}

/// Puts. `check_lease` is off inside of transactions, which have checked before.
pub(crate) fn put(
    writer: &mut Writer<'_>,
    request: &pb::PutRequest,
    check_lease: bool,
) -> Result<pb::PutResponse> {
    if check_lease && request.lease != 0 && !writer.lessor.exists(request.lease) {
        return Err(Error::LeaseNotFound);
    }
    let mut previous = None;
    if request.ignore_value || request.ignore_lease || request.prev_kv {
        writer.done.ranges += 1;
        previous = writer.state.get(&request.key, writer.current())?;
    }
    let mut value = request.value.clone();
    let mut lease = request.lease;
    if request.ignore_value || request.ignore_lease {
        let previous = previous.as_ref().ok_or(Error::KeyNotFound)?;
        if request.ignore_value {
            value = previous.value.clone();
        }
        if request.ignore_lease {
            lease = previous.lease;
        }
    }
    let revision = writer.put(&request.key, value, lease)?;
    Ok(pb::PutResponse {
        header: header(revision),
        prev_kv: previous.filter(|_| request.prev_kv),
    })
}

/// Deletes.
pub(crate) fn delete(
    writer: &mut Writer<'_>,
    request: &pb::DeleteRangeRequest,
) -> Result<pb::DeleteRangeResponse> {
    let span = Span::new(&request.key, &request.range_end);
    let mut prev_kvs = Vec::new();
    if request.prev_kv {
        let current = writer.current();
        writer.done.ranges += 1;
        prev_kvs = writer.state.plan(span, 0, current, 0, false)?.run()?;
    }
    let deleted = writer.delete(span);
    Ok(pb::DeleteRangeResponse {
        header: header(writer.current()),
        deleted,
        prev_kvs,
    })
}

/// Decides all compares and checks the chosen operations; the path. Nothing is
/// changed before everything is known to be possible. Counts what it looks at.
pub(crate) fn prepare(
    state: &State,
    lease_exists: &dyn Fn(i64) -> bool,
    request: &pb::TxnRequest,
    looked: &mut Operations,
) -> Result<Vec<bool>> {
    let mut path = Vec::new();
    decide(state, request, &mut path, looked)?;
    check(request, &path, &mut |op| {
        check_put(state, lease_exists, op, looked)
    })?;
    check(request, &path, &mut |op| check_range(state, op))?;
    Ok(path)
}

fn decide(
    state: &State,
    request: &pb::TxnRequest,
    path: &mut Vec<bool>,
    looked: &mut Operations,
) -> Result<()> {
    let mut holds = true;
    for compare in &request.compare {
        looked.ranges += 1;
        if !holds_for(state, compare)? {
            holds = false;
            break;
        }
    }
    path.push(holds);
    for op in branch(request, holds) {
        if let Some(Op::RequestTxn(inner)) = &op.request {
            decide(state, inner, path, looked)?;
        }
    }
    Ok(())
}

fn branch(request: &pb::TxnRequest, success: bool) -> &[pb::RequestOp] {
    match success {
        true => &request.success,
        false => &request.failure,
    }
}

fn holds_for(state: &State, compare: &pb::Compare) -> Result<bool> {
    let span = Span::new(&compare.key, &compare.range_end);
    let kvs = match compare.target() {
        CompareTarget::Value | CompareTarget::Lease => {
            state.plan(span, 0, state.revision, 0, false)?.run()?
        }
        // The index knows the rest: no value needs to be read.
        _ => indexed(state, span),
    };
    if kvs.is_empty() {
        // A missing value equals no value, not even the empty one.
        return Ok(
            compare.target() != CompareTarget::Value && holds_for_kv(compare, &KeyValue::default())
        );
    }
    Ok(kvs.iter().all(|kv| holds_for_kv(compare, kv)))
}

fn indexed(state: &State, span: Span<'_>) -> Vec<KeyValue> {
    let mut kvs = Vec::new();
    state.index.visit(span, state.revision, |_, seen| {
        kvs.push(KeyValue {
            create_revision: seen.created.main,
            mod_revision: seen.modified.main,
            version: seen.version,
            ..Default::default()
        });
        true
    });
    kvs
}

fn holds_for_kv(compare: &pb::Compare, kv: &KeyValue) -> bool {
    let union = compare.target_union.as_ref();
    let ordering = match compare.target() {
        CompareTarget::Value => kv.value[..].cmp(match union {
            Some(TargetUnion::Value(value)) => &value[..],
            _ => &[],
        }),
        CompareTarget::Create => kv.create_revision.cmp(&match union {
            Some(TargetUnion::CreateRevision(revision)) => *revision,
            _ => 0,
        }),
        CompareTarget::Mod => kv.mod_revision.cmp(&match union {
            Some(TargetUnion::ModRevision(revision)) => *revision,
            _ => 0,
        }),
        CompareTarget::Version => kv.version.cmp(&match union {
            Some(TargetUnion::Version(version)) => *version,
            _ => 0,
        }),
        CompareTarget::Lease => kv.lease.cmp(&match union {
            Some(TargetUnion::Lease(lease)) => *lease,
            _ => 0,
        }),
    };
    match compare.result() {
        CompareResult::Equal => ordering == Ordering::Equal,
        CompareResult::NotEqual => ordering != Ordering::Equal,
        CompareResult::Greater => ordering == Ordering::Greater,
        CompareResult::Less => ordering == Ordering::Less,
    }
}

/// Calls `f` for the operations on the path; how many transactions are within.
fn check(
    request: &pb::TxnRequest,
    path: &Path,
    f: &mut dyn FnMut(&Op) -> Result<()>,
) -> Result<usize> {
    let mut inner = 0;
    for op in branch(request, path[0]) {
        match &op.request {
            Some(Op::RequestTxn(txn)) => inner += 1 + check(txn, &path[1 + inner..], f)?,
            Some(op) => f(op)?,
            None => {}
        }
    }
    Ok(inner)
}

fn check_put(
    state: &State,
    lease_exists: &dyn Fn(i64) -> bool,
    op: &Op,
    looked: &mut Operations,
) -> Result<()> {
    let Op::RequestPut(put) = op else {
        return Ok(());
    };
    if put.ignore_value || put.ignore_lease {
        looked.ranges += 1;
        if state.index.get(&put.key, state.revision).is_none() {
            return Err(Error::KeyNotFound);
        }
    }
    match put.lease == 0 || lease_exists(put.lease) {
        true => Ok(()),
        false => Err(Error::LeaseNotFound),
    }
}

fn check_range(state: &State, op: &Op) -> Result<()> {
    match op {
        Op::RequestRange(range) if range.revision > state.revision => Err(Error::FutureRevision),
        Op::RequestRange(range) if range.revision != 0 && range.revision < state.compacted => {
            Err(Error::Compacted)
        }
        _ => Ok(()),
    }
}

/// Carries out a transaction that [`prepare`] has found possible.
pub(crate) fn run(
    writer: &mut Writer<'_>,
    request: &pb::TxnRequest,
    path: &Path,
) -> Result<pb::TxnResponse> {
    let (mut response, _) = run_branch(writer, request, path)?;
    response.header = header(writer.current());
    Ok(response)
}

fn run_branch(
    writer: &mut Writer<'_>,
    request: &pb::TxnRequest,
    path: &Path,
) -> Result<(pb::TxnResponse, usize)> {
    let mut inner = 0;
    let mut responses = Vec::new();
    for op in branch(request, path[0]) {
        let answer = match &op.request {
            Some(Op::RequestRange(request)) => {
                let current = writer.current();
                writer.done.ranges += 1;
                Some(Answer::ResponseRange(range(
                    writer.state,
                    request,
                    current,
                )?))
            }
            Some(Op::RequestPut(request)) => {
                Some(Answer::ResponsePut(put(writer, request, false)?))
            }
            Some(Op::RequestDeleteRange(request)) => {
                Some(Answer::ResponseDeleteRange(delete(writer, request)?))
            }
            Some(Op::RequestTxn(request)) => {
                let (response, within) = run_branch(writer, request, &path[1 + inner..])?;
                inner += 1 + within;
                Some(Answer::ResponseTxn(response))
            }
            None => None,
        };
        responses.push(pb::ResponseOp { response: answer });
    }
    let response = pb::TxnResponse {
        // Those within have a header that says nothing, as in etcd.
        header: Some(pb::ResponseHeader::default()),
        succeeded: path[0],
        responses,
    };
    Ok((response, inner))
}

/// A transaction of ranges only, outside of the log: decided and found under the lock,
/// read without it.
pub(crate) struct ReadOnly<'a> {
    succeeded: bool,
    revision: i64,
    plans: Vec<Option<(&'a pb::RangeRequest, Plan)>>,
}

impl<'a> ReadOnly<'a> {
    pub(crate) fn plan(
        state: &State,
        request: &'a pb::TxnRequest,
        done: &mut Operations,
    ) -> Result<ReadOnly<'a>> {
        let path = prepare(state, &|_| true, request, done)?;
        let plans = branch(request, path[0]).iter().map(|op| match &op.request {
            Some(Op::RequestRange(range)) => {
                done.ranges += 1;
                Ok(Some((range, state.plan_range(range, state.revision)?)))
            }
            _ => Ok(None),
        });
        Ok(ReadOnly {
            succeeded: path[0],
            revision: state.revision,
            plans: plans.collect::<Result<_>>()?,
        })
    }

    pub(crate) fn run(self) -> Result<pb::TxnResponse> {
        let mut responses = Vec::with_capacity(self.plans.len());
        for plan in self.plans {
            let response = match plan {
                Some((request, plan)) => Some(Answer::ResponseRange(plan.answer(request)?)),
                None => None,
            };
            responses.push(pb::ResponseOp { response });
        }
        Ok(pb::TxnResponse {
            header: header(self.revision),
            succeeded: self.succeeded,
            responses,
        })
    }
}
