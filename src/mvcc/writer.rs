//! A write transaction on the keyspace (`mvcc/kvstore_txn.go`): all its changes
//! have one main revision.

use bytes::Bytes;
use prost::Message;
use wire::mvccpb::{Event, KeyValue, event::EventType};

use crate::index::Span;
use crate::lease::Lessor;
use crate::revision::Rev;
use crate::state::State;
use crate::tally::Operations;
use crate::view::decode;
use crate::{Error, Result};

/// See the module.
pub(crate) struct Writer<'a> {
    pub state: &'a mut State,
    pub lessor: &'a mut Lessor,
    begin: i64,
    changes: Vec<Event>,
    pub done: Operations,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(state: &'a mut State, lessor: &'a mut Lessor) -> Writer<'a> {
        Writer {
            begin: state.revision,
            state,
            lessor,
            changes: Vec::new(),
            done: Operations::default(),
        }
    }

    /// The revision that reads in this transaction see.
    pub(crate) fn current(&self) -> i64 {
        self.begin + i64::from(!self.changes.is_empty())
    }

    fn next(&self) -> Rev {
        Rev::new(self.begin + 1, self.changes.len() as i64)
    }

    /// Sets a key; the revision of the transaction.
    pub(crate) fn put(&mut self, key: &[u8], value: Bytes, lease: i64) -> Result<i64> {
        self.done.put(key, &value);
        let rev = self.next();
        let seen = self.state.index.get(key, rev.main);
        let kv = KeyValue {
            key: Bytes::copy_from_slice(key),
            create_revision: seen.map_or(rev.main, |seen| seen.created.main),
            mod_revision: rev.main,
            version: seen.map_or(0, |seen| seen.version) + 1,
            value,
            lease,
        };
        let stored = Bytes::from(kv.encode_to_vec());
        // The event shares the stored bytes, not those of the request.
        let kv = decode(stored.clone())?;
        self.state.record_put(key, rev, stored);
        self.changes.push(event(EventType::Put, kv));
        if !self.lessor.attach(key, lease) {
            return Err(Error::LeaseNotFound);
        }
        Ok(rev.main)
    }

    /// Deletes the keys of a span; how many.
    pub(crate) fn delete(&mut self, span: Span<'_>) -> i64 {
        self.done.deletes += 1;
        let mut keys: Vec<Bytes> = Vec::new();
        let current = self.current();
        self.state.index.visit(span, current, |key, _| {
            keys.push(Bytes::copy_from_slice(key));
            true
        });
        for key in &keys {
            let rev = self.next();
            let mut kv = KeyValue {
                key: key.clone(),
                ..Default::default()
            };
            let stored = Bytes::from(kv.encode_to_vec());
            self.state.record_tombstone(key, rev, stored);
            kv.mod_revision = rev.main;
            self.changes.push(event(EventType::Delete, kv));
            self.lessor.attach(key, 0);
        }
        keys.len() as i64
    }

    /// Makes the changes visible; the events and their revision.
    pub(crate) fn finish(self) -> (i64, Vec<Event>) {
        let revision = self.current();
        self.state.revision = revision;
        (revision, self.changes)
    }
}

fn event(kind: EventType, kv: KeyValue) -> Event {
    Event {
        r#type: kind.into(),
        kv: Some(kv),
        prev_kv: None,
    }
}
