//! Random requests, from a seed so that a failure can be repeated.

use super::super::*;

/// A small generator with a seed, so that a failure can be repeated.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }

    pub fn key(&mut self) -> String {
        format!("k{:02}", self.roll(15))
    }
}

pub fn random_txn(dice: &mut Dice, depth: u64) -> pb::TxnRequest {
    use pb::compare::{CompareTarget, TargetUnion};
    let mut txn = pb::TxnRequest::default();
    for _ in 0..dice.roll(3) {
        let number = dice.roll(6) as i64;
        let (target, union) = match dice.roll(5) {
            0 => (CompareTarget::Version, TargetUnion::Version(number)),
            1 => (
                CompareTarget::Create,
                TargetUnion::CreateRevision(number * 9),
            ),
            2 => (CompareTarget::Mod, TargetUnion::ModRevision(number * 9)),
            3 => (CompareTarget::Lease, TargetUnion::Lease(number)),
            _ => (CompareTarget::Value, TargetUnion::Value("v3".into())),
        };
        txn.compare.push(pb::Compare {
            key: dice.key().into(),
            range_end: if dice.roll(4) == 0 {
                "k99".into()
            } else {
                "".into()
            },
            target: target.into(),
            result: dice.roll(4) as i32,
            target_union: Some(union),
        });
    }
    let mut fill = |ops: &mut Vec<pb::RequestOp>| {
        for _ in 0..dice.roll(4) {
            ops.push(op(match dice.roll(if depth == 0 { 5 } else { 6 }) {
                0 => Op::RequestRange(range(&dice.key(), "k99")),
                1 => Op::RequestDeleteRange(delete(&dice.key(), "")),
                2 => Op::RequestDeleteRange(pb::DeleteRangeRequest {
                    prev_kv: true,
                    ..delete(&dice.key(), &dice.key())
                }),
                5 => Op::RequestTxn(random_txn(dice, depth - 1)),
                _ => Op::RequestPut(random_put(dice)),
            }));
        }
    };
    fill(&mut txn.success);
    fill(&mut txn.failure);
    txn
}

pub fn random_put(dice: &mut Dice) -> pb::PutRequest {
    let mut request = put(&dice.key(), &format!("v{}", dice.roll(9)));
    match dice.roll(10) {
        0 => {
            request.ignore_value = true;
            request.value = bytes::Bytes::new();
        }
        1 => request.ignore_lease = true,
        2 => request.prev_kv = true,
        3 | 4 => request.lease = dice.roll(6) as i64,
        _ => {}
    }
    request
}
