//! Leases (`lease/lessor.go`): which exist, what hangs on them, and, on the
//! leader, when they end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use prost::Message;
use wire::leasepb;

use crate::{Config, Error, Millis, Result};

/// Longest time to live in seconds.
const MAX_TTL: i64 = 9_000_000_000;
/// An expired lease is named again after this time if it is still there.
const EXPIRED_RETRY: Millis = 3000;
/// How many leases etcd revokes a second; a new leader spreads ends accordingly.
const REVOKE_RATE: usize = 1000;

type Key = Arc<[u8]>;

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It lives on.
    Alive {
        /// For so many seconds more.
        ttl: i64,
        /// Its remaining time is in the log: put a checkpoint of 0 there, too.
        clear_checkpoint: bool,
    },
    /// Its time is over and it is about to be revoked: ask again until it is
    /// gone or this member is no longer the leader.
    Expiring,
}

#[derive(Debug, Default)]
struct Lease {
    /// Granted seconds.
    ttl: i64,
    /// Remaining seconds at the last checkpoint; 0 for none.
    remaining_ttl: i64,
    /// `None` on a member that is not the leader: not known to it.
    expiry: Option<Millis>,
    /// When the queue looks at it next.
    queued: Millis,
    keys: BTreeSet<Key>,
}

impl Lease {
    fn seconds(&self) -> i64 {
        match self.remaining_ttl {
            left if left > 0 => left,
            _ => self.ttl,
        }
    }

    fn refresh(&mut self, now: Millis, extend: Millis) {
        let length = (self.seconds().max(0) as u64).saturating_mul(1000);
        self.expiry = Some(now.saturating_add(extend).saturating_add(length));
    }

    fn record(&self, id: i64) -> leasepb::Lease {
        leasepb::Lease {
            id,
            ttl: self.ttl,
            remaining_ttl: self.remaining_ttl,
        }
    }
}

/// What a lease's holder wants to know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TimeToLive {
    pub remaining: i64,
    pub granted: i64,
    pub keys: Vec<Vec<u8>>,
}

type Queue = BinaryHeap<Reverse<(Millis, i64)>>;

/// All leases of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Lessor {
    leases: BTreeMap<i64, Lease>,
    by_key: HashMap<Key, i64>,
    primary: bool,
    /// One entry a lease, at `Lease::queued`; others are stale.
    expiries: Queue,
    checkpoints: Queue,
    min_ttl: i64,
    checkpoint_interval: Option<Millis>,
    checkpoint_persist: bool,
}

impl Lessor {
    pub(crate) fn new(config: &Config) -> Lessor {
        Lessor {
            min_ttl: config.min_lease_ttl,
            checkpoint_interval: config.lease_checkpoint_interval,
            checkpoint_persist: config.lease_checkpoint_persist,
            ..Lessor::default()
        }
    }

    /// Takes a stored lease over.
    pub(crate) fn restore(&mut self, record: &[u8]) -> Result<()> {
        let record = leasepb::Lease::decode(record).map_err(|e| {
            Error::Damaged(format!(
                "bucket `lease` is damaged: expected a lease, found something else: {e}"
            ))
        })?;
        let lease = Lease {
            ttl: record.ttl.max(self.min_ttl),
            remaining_ttl: record.remaining_ttl,
            ..Lease::default()
        };
        self.leases.insert(record.id, lease);
        Ok(())
    }

    /// Makes a lease; the record to store.
    pub(crate) fn grant(&mut self, id: i64, ttl: i64, now: Millis) -> Result<leasepb::Lease> {
        if id == 0 {
            return Err(Error::LeaseNotFound);
        }
        if ttl > MAX_TTL {
            return Err(Error::LeaseTtlTooLarge);
        }
        if self.leases.contains_key(&id) {
            return Err(Error::LeaseExists);
        }
        let mut lease = Lease {
            ttl: ttl.max(self.min_ttl),
            ..Lease::default()
        };
        if self.primary {
            lease.refresh(now, 0);
            enqueue(&mut self.expiries, id, &mut lease);
        }
        let record = lease.record(id);
        self.leases.insert(id, lease);
        self.schedule_checkpoint(id, now);
        Ok(record)
    }

    /// The keys of a lease that is to be revoked, sorted.
    pub(crate) fn keys(&self, id: i64) -> Result<Vec<Vec<u8>>> {
        let lease = self.leases.get(&id).ok_or(Error::LeaseNotFound)?;
        Ok(lease.keys.iter().map(|key| key.to_vec()).collect())
    }

    pub(crate) fn remove(&mut self, id: i64) {
        if let Some(lease) = self.leases.remove(&id) {
            for key in lease.keys {
                self.by_key.remove(&key);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    pub(crate) fn exists(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    /// The lease a key hangs on.
    #[cfg(test)]
    pub(crate) fn of_key(&self, key: &[u8]) -> Option<i64> {
        self.by_key.get(key).copied()
    }

    /// Hangs a key on a lease (0: on none), off the one before. False if there
    /// is no such lease.
    pub(crate) fn attach(&mut self, key: &[u8], id: i64) -> bool {
        if let Some(old) = self.by_key.get(key) {
            if *old == id {
                return true;
            }
            if let Some(lease) = self.leases.get_mut(old) {
                lease.keys.remove(key);
            }
            self.by_key.remove(key);
        }
        if id == 0 {
            return true;
        }
        let Some(lease) = self.leases.get_mut(&id) else {
            return false;
        };
        let key: Key = key.into();
        lease.keys.insert(key.clone());
        self.by_key.insert(key, id);
        true
    }

    /// Notes the remaining seconds of a lease; the record, if it is to be stored.
    pub(crate) fn checkpoint(
        &mut self,
        id: i64,
        remaining: i64,
        now: Millis,
    ) -> Option<leasepb::Lease> {
        let lease = self.leases.get_mut(&id)?;
        lease.remaining_ttl = remaining;
        let record = self.checkpoint_persist.then(|| lease.record(id));
        self.schedule_checkpoint(id, now);
        record
    }

    fn schedule_checkpoint(&mut self, id: i64, now: Millis) {
        let (Some(interval), true) = (self.checkpoint_interval, self.primary) else {
            return;
        };
        if let Some(lease) = self.leases.get(&id)
            && lease.seconds() > (interval / 1000) as i64
        {
            self.checkpoints.push(Reverse((now + interval, id)));
        }
    }

    /// Checkpoints that are due: lease and remaining seconds, rounded up.
    pub(crate) fn due_checkpoints(&mut self, now: Millis, limit: usize) -> Vec<(i64, i64)> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(Reverse((time, id))) = self.checkpoints.peek().copied()
            && time <= now
        {
            self.checkpoints.pop();
            let Some(lease) = self.leases.get(&id) else {
                continue;
            };
            let left = lease.expiry.and_then(|expiry| expiry.checked_sub(now));
            let seconds = left.unwrap_or(0).div_ceil(1000) as i64;
            if seconds > 0 && seconds < lease.ttl {
                due.push((id, seconds));
            }
        }
        due
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.primary
    }

    /// This member keeps the clocks from now on.
    pub(crate) fn promote(&mut self, now: Millis, extend: Millis) {
        self.primary = true;
        self.expiries.clear();
        self.checkpoints.clear();
        for lease in self.leases.values_mut() {
            lease.refresh(now, extend);
        }
        if self.leases.len() >= REVOKE_RATE {
            self.spread(now, extend);
        }
        for (id, lease) in &mut self.leases {
            enqueue(&mut self.expiries, *id, lease);
        }
        let ids: Vec<i64> = match self.checkpoint_interval {
            Some(_) => self.leases.keys().copied().collect(),
            None => Vec::new(),
        };
        for id in ids {
            self.schedule_checkpoint(id, now);
        }
    }

    /// Moves the ends of leases apart where so many would end in the same second that
    /// they could not be revoked in it.
    fn spread(&mut self, now: Millis, extend: Millis) {
        let mut order: Vec<(Millis, i64)> = self
            .leases
            .iter()
            .map(|(id, lease)| (lease.expiry.unwrap_or(now) - now, *id))
            .collect();
        order.sort_unstable();
        let target = 3 * REVOKE_RATE / 4;
        let mut base = order.first().map_or(0, |(left, _)| *left);
        let mut next = base + 1000;
        let mut ends = 0usize;
        for (left, id) in order {
            if left > next {
                (base, next, ends) = (left, left + 1000, 1);
                continue;
            }
            ends += 1;
            if ends <= target {
                continue;
            }
            // A lease that ends n ms into the window needs n ms less of delay.
            let delay = (1000 * ends / target) as u64;
            let delay = delay.saturating_sub(left - base);
            next = base + delay;
            if let Some(lease) = self.leases.get_mut(&id) {
                lease.refresh(now, delay + extend);
            }
        }
    }

    /// This member keeps no clocks from now on.
    pub(crate) fn demote(&mut self) {
        self.primary = false;
        self.expiries.clear();
        self.checkpoints.clear();
        for lease in self.leases.values_mut() {
            lease.expiry = None;
        }
    }

    pub(crate) fn renew(&mut self, id: i64, now: Millis) -> Result<Renewed> {
        if !self.primary {
            return Err(Error::NotPrimary);
        }
        let lease = self.leases.get_mut(&id).ok_or(Error::LeaseNotFound)?;
        if lease.expiry.is_some_and(|expiry| expiry <= now) {
            return Ok(Renewed::Expiring);
        }
        let clear_checkpoint = self.checkpoint_interval.is_some() && lease.remaining_ttl > 0;
        if clear_checkpoint {
            // The entry that says so follows; the clock must not wait for it.
            lease.remaining_ttl = 0;
        }
        lease.refresh(now, 0);
        Ok(Renewed::Alive {
            ttl: lease.ttl,
            clear_checkpoint,
        })
    }

    pub(crate) fn time_to_live(&self, id: i64, now: Millis) -> Result<TimeToLive> {
        let lease = self.leases.get(&id).ok_or(Error::LeaseNotFound)?;
        let expiry = lease.expiry.ok_or(Error::NotPrimary)?;
        Ok(TimeToLive {
            // Whole seconds, and of the present millisecond a part is over.
            remaining: (expiry as i64 - now as i64 - 1) / 1000,
            granted: lease.ttl,
            keys: lease.keys.iter().map(|key| key.to_vec()).collect(),
        })
    }

    /// All leases, those that end first at the front.
    pub(crate) fn list(&self) -> Vec<i64> {
        let mut order: Vec<(Millis, i64)> = self
            .leases
            .iter()
            .map(|(id, lease)| (lease.expiry.unwrap_or(Millis::MAX), *id))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Leases past their time.
    pub(crate) fn expired(&mut self, now: Millis, limit: usize) -> Vec<i64> {
        let mut expired = Vec::new();
        while expired.len() < limit
            && let Some(Reverse((time, id))) = self.expiries.peek().copied()
            && time <= now
        {
            self.expiries.pop();
            let Some(lease) = self.leases.get_mut(&id) else {
                continue;
            };
            let Some(expiry) = lease.expiry else { continue };
            if lease.queued != time {
                continue;
            }
            if expiry > now {
                enqueue(&mut self.expiries, id, lease);
                continue;
            }
            lease.queued = now + EXPIRED_RETRY;
            self.expiries.push(Reverse((lease.queued, id)));
            expired.push(id);
        }
        expired
    }
}

fn enqueue(queue: &mut Queue, id: i64, lease: &mut Lease) {
    if let Some(expiry) = lease.expiry {
        lease.queued = expiry;
        queue.push(Reverse((expiry, id)));
    }
}

/// Shortest time to live of a lease in seconds: one and a half election
/// timeouts, rounded up (`etcdserver/server.go`).
pub fn min_lease_ttl(election_ticks: u64, heartbeat_ms: u64) -> i64 {
    ((3 * election_ticks / 2) * heartbeat_ms).div_ceil(1000) as i64
}
