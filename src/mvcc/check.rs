//! The checks that requests pass before they are proposed (`api/v3rpc/key.go`).

use std::collections::BTreeSet;

use pb::request_op::Request as Op;
use wire::etcdserverpb as pb;

use crate::index::{End, Span};
use crate::{Error, Result};

/// A range needs a key.
pub fn check_range_request(request: &pb::RangeRequest) -> Result<()> {
    need_key(&request.key)
}

/// A put needs a key, and no value or lease that it says to ignore.
pub fn check_put_request(request: &pb::PutRequest) -> Result<()> {
    need_key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// A deletion needs a key.
pub fn check_delete_range_request(request: &pb::DeleteRangeRequest) -> Result<()> {
    need_key(&request.key)
}

fn need_key(key: &[u8]) -> Result<()> {
    match key.is_empty() {
        true => Err(Error::EmptyKey),
        false => Ok(()),
    }
}

/// A transaction may hold `max_ops` operations (`--max-txn-ops`, etcd's default
/// is 128), those of transactions within counted per path, and may not change
/// a key twice.
pub fn check_txn_request(request: &pb::TxnRequest, max_ops: usize) -> Result<()> {
    check_ops(request, max_ops as i64)?;
    changes(&request.success)?;
    changes(&request.failure)?;
    Ok(())
}

fn check_ops(txn: &pb::TxnRequest, max_ops: i64) -> Result<()> {
    let most = txn
        .compare
        .len()
        .max(txn.success.len())
        .max(txn.failure.len()) as i64;
    if most > max_ops {
        return Err(Error::TooManyOps);
    }
    for compare in &txn.compare {
        need_key(&compare.key)?;
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match &op.request {
            Some(Op::RequestRange(range)) => check_range_request(range)?,
            Some(Op::RequestPut(put)) => check_put_request(put)?,
            Some(Op::RequestDeleteRange(delete)) => check_delete_range_request(delete)?,
            Some(Op::RequestTxn(txn)) => check_ops(txn, max_ops - most)?,
            None => return Err(Error::KeyNotFound),
        }
    }
    Ok(())
}

/// What a list of operations changes.
#[derive(Default)]
struct Changes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<Span<'a>>,
}

impl<'a> Changes<'a> {
    fn deletes(&self, key: &[u8]) -> bool {
        self.deletes.iter().any(|span| span.contains(key))
    }

    /// Adds a put that must not meet another change, unless it meets a put of `other`.
    fn add_put(&mut self, key: &'a [u8], other: Option<&Changes<'_>>) -> Result<()> {
        let excused = other.is_some_and(|other| other.puts.contains(key));
        if (self.puts.contains(key) && !excused) || self.deletes(key) {
            return Err(Error::DuplicateKey);
        }
        self.puts.insert(key);
        Ok(())
    }
}

fn changes(ops: &[pb::RequestOp]) -> Result<Changes<'_>> {
    let mut all = Changes::default();
    for op in ops {
        if let Some(Op::RequestDeleteRange(delete)) = &op.request {
            all.deletes.push(span(&delete.key, &delete.range_end));
        }
    }
    for op in ops {
        let Some(Op::RequestTxn(txn)) = &op.request else {
            continue;
        };
        let then = changes(&txn.success)?;
        let otherwise = changes(&txn.failure)?;
        for key in &then.puts {
            all.add_put(key, None)?;
        }
        // Only one of both branches runs, so a key may be put in both.
        for key in &otherwise.puts {
            all.add_put(key, Some(&then))?;
        }
        all.deletes.extend(then.deletes);
        all.deletes.extend(otherwise.deletes);
    }
    for op in ops {
        if let Some(Op::RequestPut(put)) = &op.request {
            all.add_put(&put.key, None)?;
        }
    }
    Ok(all)
}

/// Unlike elsewhere, the reference takes the end `\0` literally here: no key is
/// before it, so a deletion without bound meets no put.
fn span<'a>(key: &'a [u8], range_end: &'a [u8]) -> Span<'a> {
    let end = match range_end {
        [] => End::One,
        end => End::Before(end),
    };
    Span { key, end }
}
