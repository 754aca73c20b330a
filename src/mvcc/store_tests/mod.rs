//! Tests of the store as a whole.

mod basics;
mod crash;
mod damage;
mod leases;
mod model;
mod reference;
mod reopen;
mod tally;
mod threads;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pb::request_op::Request as Op;
use wire::etcdserverpb as pb;

use crate::{Applied, Config, Millis, Response, Result, Store};

/// A store on a file of its own, and the log that it applies.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub store: Arc<Store>,
    index: AtomicU64,
}

pub fn open_db(path: &std::path::Path) -> bolt::Db {
    let options = bolt::Options {
        sync: false,
        initial_map_bytes: 1 << 20,
        ..bolt::Options::default()
    };
    bolt::Db::open(path, options).unwrap()
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }

    pub fn with(config: Config) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let db = open_db(&dir.path().join("db"));
        let store = Arc::new(Store::open(db, config).unwrap());
        Bench {
            dir,
            store,
            index: AtomicU64::new(1),
        }
    }

    pub fn apply_at(&self, request: pb::InternalRaftRequest, now: Millis) -> Applied {
        let index = self.index.fetch_add(1, Ordering::Relaxed);
        self.store.apply(index, 1, &request, now)
    }

    pub fn apply(&self, request: pb::InternalRaftRequest) -> Result<Response> {
        self.apply_at(request, 0).response
    }

    pub fn put(&self, key: &str, value: &str) -> i64 {
        let put = put(key, value);
        match self.apply(request_put(put)) {
            Ok(Response::Put(response)) => response.header.unwrap().revision,
            other => panic!("put answered {other:?}"),
        }
    }

    pub fn delete(&self, key: &str, end: &str) -> i64 {
        match self.apply(request_delete(delete(key, end))) {
            Ok(Response::DeleteRange(response)) => response.deleted,
            other => panic!("delete answered {other:?}"),
        }
    }

    pub fn txn(&self, txn: pb::TxnRequest) -> Result<pb::TxnResponse> {
        match self.apply(pb::InternalRaftRequest {
            txn: Some(txn),
            ..Default::default()
        }) {
            Ok(Response::Txn(response)) => Ok(response),
            Err(error) => Err(error),
            other => panic!("txn answered {other:?}"),
        }
    }

    pub fn compact(&self, revision: i64) -> Result<Response> {
        self.apply(pb::InternalRaftRequest {
            compaction: Some(pb::CompactionRequest {
                revision,
                physical: true,
            }),
            ..Default::default()
        })
    }

    pub fn compact_all(&self, revision: i64) {
        self.compact(revision).unwrap();
        while self.store.compact_step().unwrap() {}
        assert_eq!(self.store.compaction_pending(), None);
    }

    pub fn get(&self, key: &str, revision: i64) -> Result<Vec<(String, String)>> {
        self.range(key, "", revision)
    }

    pub fn range(&self, key: &str, end: &str, revision: i64) -> Result<Vec<(String, String)>> {
        let response = self.store.range(
            &crate::AuthInfo::default(),
            &pb::RangeRequest {
                revision,
                ..range(key, end)
            },
        )?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(response
            .kvs
            .iter()
            .map(|kv| (text(&kv.key), text(&kv.value)))
            .collect())
    }

    pub fn grant(&self, id: i64, ttl: i64, now: Millis) -> Result<Response> {
        let grant = pb::LeaseGrantRequest { id, ttl };
        let request = pb::InternalRaftRequest {
            lease_grant: Some(grant),
            ..Default::default()
        };
        self.apply_at(request, now).response
    }

    pub fn revoke(&self, id: i64) -> Result<Response> {
        self.apply(pb::InternalRaftRequest {
            lease_revoke: Some(pb::LeaseRevokeRequest { id }),
            ..Default::default()
        })
    }

    /// Closes the store and opens its file again.
    pub fn reopen(self) -> Bench {
        self.store.commit().unwrap();
        let db = self.store.db.read().clone();
        db.close().unwrap();
        let config = self.store.config.clone();
        drop(self.store);
        let db = open_db(&self.dir.path().join("db"));
        Bench {
            store: Arc::new(Store::open(db, config).unwrap()),
            ..self
        }
    }

    pub fn hash_kv(&self) -> u32 {
        self.store.hash_kv(0).unwrap().0.hash
    }
}

pub fn range(key: &str, end: &str) -> pb::RangeRequest {
    pb::RangeRequest {
        key: key.to_owned().into(),
        range_end: end.to_owned().into(),
        ..Default::default()
    }
}

pub fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..Default::default()
    }
}

pub fn delete(key: &str, end: &str) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest {
        key: key.to_owned().into(),
        range_end: end.to_owned().into(),
        prev_kv: false,
    }
}

pub fn request_put(put: pb::PutRequest) -> pb::InternalRaftRequest {
    pb::InternalRaftRequest {
        put: Some(put),
        ..Default::default()
    }
}

pub fn request_delete(delete: pb::DeleteRangeRequest) -> pb::InternalRaftRequest {
    pb::InternalRaftRequest {
        delete_range: Some(delete),
        ..Default::default()
    }
}

pub fn op(request: Op) -> pb::RequestOp {
    pb::RequestOp {
        request: Some(request),
    }
}
