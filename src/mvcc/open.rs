//! Loading the state from a database (`mvcc/kvstore.go`, `lease/lessor.go`,
//! `api/membership/store.go`, `auth/store.go`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use wire::raftpb::ConfState;

use crate::alarm::Alarms;
use crate::auth::Auth;
use crate::compaction::Compactions;
use crate::index::Index;
use crate::lease::Lessor;
use crate::membership::{self, Membership};
use crate::revision::Rev;
use crate::state::State;
use crate::view::{View, decode};
use crate::{Config, Error, Result, bucket};

/// All that is in memory of a database.
pub(crate) struct Loaded {
    pub state: State,
    pub lessor: Lessor,
    pub alarms: Alarms,
    pub membership: Membership,
    /// Members that the buckets `members` and `members_removed` have.
    pub stored_members: BTreeSet<u64>,
    pub stored_removed: BTreeSet<u64>,
    pub compactions: Compactions,
    pub conf_state: Option<ConfState>,
}

/// Makes what a member makes in its database when it starts.
pub(crate) fn prepare(db: &bolt::Db) -> Result<()> {
    let tx = db.begin_read()?;
    let mut complete = true;
    for name in bucket::ALL {
        complete &= tx.bucket(name)?.is_some();
    }
    if complete && get(&tx, bucket::AUTH, bucket::AUTH_REVISION)?.is_some() {
        return Ok(());
    }
    let mut tx = db.begin_write()?;
    for name in bucket::ALL {
        tx.create_bucket_if_missing(name)?;
    }
    if tx.get(bucket::AUTH, bucket::AUTH_REVISION)?.is_none() {
        tx.put(bucket::AUTH, bucket::AUTH_REVISION, &1u64.to_be_bytes())?;
    }
    tx.commit()?;
    Ok(())
}

/// Loads everything from the last commit.
pub(crate) fn load(db: &bolt::Db, config: &Config) -> Result<Loaded> {
    let tx = db.begin_read()?;
    let mut lessor = Lessor::new(config);
    each(&tx, bucket::LEASE, |_, value| lessor.restore(value))?;
    let mut alarms = Alarms::default();
    each(&tx, bucket::ALARM, |key, _| alarms.restore(key))?;
    let (index, newest) = load_index(&tx, &mut lessor)?;
    let position = (
        number(&tx, bucket::META, bucket::CONSISTENT_INDEX)?,
        number(&tx, bucket::META, bucket::TERM)?,
    );
    let finished = compact_rev(&tx, bucket::FINISHED_COMPACT)?;
    let scheduled = compact_rev(&tx, bucket::SCHEDULED_COMPACT)?;
    let compactions = Compactions::restore(scheduled, finished);
    let compacted = scheduled.unwrap_or(-1).max(finished.unwrap_or(-1));
    let membership = load_membership(&tx)?;
    let conf_state = match get(&tx, bucket::META, bucket::CONF_STATE)? {
        None => None,
        Some(json) => Some(
            membership::conf_state_from_json(&json)
                .map_err(|e| damaged("meta", "a configuration as JSON", &e))?,
        ),
    };
    let auth = load_auth(&tx)?;
    Ok(Loaded {
        state: State {
            index,
            // A compaction may have removed the newest revisions.
            revision: newest.max(compacted),
            compacted,
            view: View::new(tx),
            auth,
            position,
        },
        lessor,
        alarms,
        stored_members: membership.members.keys().copied().collect(),
        stored_removed: membership.removed.clone(),
        membership,
        compactions,
        conf_state,
    })
}

/// Rebuilds the key index; it and the newest revision.
fn load_index(tx: &bolt::ReadTx, lessor: &mut Lessor) -> Result<(Index, i64)> {
    let mut index = Index::default();
    let mut newest = 1;
    let mut leases: HashMap<Bytes, i64> = HashMap::new();
    each(tx, bucket::KEY, |key, value| {
        let (rev, tombstone) = Rev::parse(key)?;
        let kv = decode(value.clone())?;
        newest = rev.main;
        if tombstone {
            // A tombstone at a compaction may have outlived its key.
            index.tombstone(&kv.key, rev);
        } else {
            index.restore_put(&kv.key, kv.create_revision, rev, kv.version);
        }
        if !tombstone && kv.lease != 0 {
            leases.insert(Bytes::copy_from_slice(&kv.key), kv.lease);
        } else if !leases.is_empty() {
            leases.remove(&kv.key);
        }
        Ok(())
    })?;
    for (key, lease) in leases {
        // A lease that is not there any more is no reason to refuse the database.
        lessor.attach(&key, lease);
    }
    Ok((index, newest))
}

fn load_auth(tx: &bolt::ReadTx) -> Result<Auth> {
    let enabled = get(tx, bucket::AUTH, bucket::AUTH_ENABLED)?.as_deref() == Some(&[1]);
    let mut auth = Auth::new(enabled, number(tx, bucket::AUTH, bucket::AUTH_REVISION)?);
    each(tx, bucket::AUTH_USERS, |key, value| {
        auth.restore_user(key, value)
    })?;
    each(tx, bucket::AUTH_ROLES, |key, value| {
        auth.restore_role(key, value)
    })?;
    auth.restored();
    Ok(auth)
}

fn load_membership(tx: &bolt::ReadTx) -> Result<Membership> {
    let mut loaded = Membership::default();
    each(tx, bucket::MEMBERS, |key, value| {
        let id = member_key(key)?;
        let mut member = membership::member_from_json(value)
            .map_err(|e| damaged("members", "a member as JSON", &e))?;
        member.id = id;
        loaded.members.insert(id, member);
        Ok(())
    })?;
    each(tx, bucket::MEMBERS_REMOVED, |key, _| {
        loaded.removed.insert(member_key(key)?);
        Ok(())
    })?;
    let text = |value: Bytes| String::from_utf8_lossy(&value).into_owned();
    loaded.version = get(tx, bucket::CLUSTER, bucket::CLUSTER_VERSION)?.map(text);
    if let Some(json) = get(tx, bucket::CLUSTER, bucket::DOWNGRADE)? {
        loaded.downgrade = membership::Downgrade::from_json(&json)
            .map_err(|e| damaged("cluster", "a downgrade as JSON", &e))?;
    }
    Ok(loaded)
}

fn member_key(key: &[u8]) -> Result<u64> {
    let id = std::str::from_utf8(key)
        .ok()
        .and_then(|hex| u64::from_str_radix(hex, 16).ok());
    id.ok_or_else(|| damaged("members", "a member id in hex", &format!("{key:02x?}")))
}

fn compact_rev(tx: &bolt::ReadTx, key: &[u8]) -> Result<Option<i64>> {
    match get(tx, bucket::META, key)? {
        None => Ok(None),
        Some(value) => Rev::parse(&value).map(|(rev, _)| Some(rev.main)),
    }
}

fn number(tx: &bolt::ReadTx, bucket: &[u8], key: &[u8]) -> Result<u64> {
    let Some(value) = get(tx, bucket, key)? else {
        return Ok(0);
    };
    let bytes = value[..].try_into().map_err(|_| {
        let name = String::from_utf8_lossy(bucket).into_owned();
        damaged(&name, "a number of 8 bytes", &format!("{value:02x?}"))
    })?;
    Ok(u64::from_be_bytes(bytes))
}

fn damaged(bucket: &str, expected: &str, found: &str) -> Error {
    Error::Damaged(format!(
        "bucket `{bucket}` is damaged: expected {expected}, found {found}"
    ))
}

fn get(tx: &bolt::ReadTx, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
    match tx.bucket(bucket)? {
        None => Ok(None),
        Some(bucket) => Ok(bucket.get(key)?),
    }
}

fn each(
    tx: &bolt::ReadTx,
    bucket: &[u8],
    mut f: impl FnMut(&[u8], &Bytes) -> Result<()>,
) -> Result<()> {
    let Some(bucket) = tx.bucket(bucket)? else {
        return Ok(());
    };
    let mut cursor = bucket.cursor();
    let mut pair = cursor.first()?;
    while let Some((key, value)) = pair {
        f(&key, &value.unwrap_or_default())?;
        pair = cursor.next()?;
    }
    Ok(())
}

/// The members behind a lock, and which of them the database has (with the batch).
pub(crate) struct Cluster {
    pub membership: Arc<Membership>,
    pub stored: BTreeSet<u64>,
    pub stored_removed: BTreeSet<u64>,
    pub conf_state: Option<ConfState>,
}
