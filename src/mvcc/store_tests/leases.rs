use super::*;
use crate::{Error, Renewed};

fn leased(key: &str, lease: i64) -> pb::InternalRaftRequest {
    request_put(pb::PutRequest {
        lease,
        ..put(key, "v")
    })
}

#[test]
fn a_revoked_lease_takes_its_keys_along() {
    let bench = Bench::new();
    bench.grant(1, 60, 0).unwrap();
    bench.grant(2, 60, 0).unwrap();
    assert!(matches!(bench.grant(1, 60, 0), Err(Error::LeaseExists)));
    assert!(matches!(bench.grant(0, 60, 0), Err(Error::LeaseNotFound)));
    let long = bench.grant(3, 9_000_000_001, 0);
    assert!(matches!(long, Err(Error::LeaseTtlTooLarge)));
    for (key, lease) in [("a", 1), ("b", 1), ("c", 1), ("c", 2), ("b", 0)] {
        bench.apply(leased(key, lease)).unwrap();
    }
    let before = bench.store.revision();
    bench.revoke(1).unwrap();
    assert_eq!(bench.store.revision(), before + 1);
    assert!(bench.get("a", 0).unwrap().is_empty());
    assert_eq!(bench.range("b", "d", 0).unwrap().len(), 2);
    assert!(matches!(bench.revoke(1), Err(Error::LeaseNotFound)));
    assert_eq!(bench.store.leases(), [2]);
    assert_eq!(bench.store.lessor.lock().of_key(b"c"), Some(2));
}

#[test]
fn only_the_leader_knows_the_time() {
    let bench = Bench::new();
    bench.grant(1, 10, 1000).unwrap();
    let store = &bench.store;
    assert!(matches!(store.lease_renew(1, 0), Err(Error::NotPrimary)));
    let unknown = store.lease_time_to_live(1, false, 0);
    assert!(matches!(unknown, Err(Error::NotPrimary)));
    store.lease_promote(5_000, 1_000);
    let ttl = store.lease_time_to_live(1, true, 6_500).unwrap();
    assert_eq!((ttl.ttl, ttl.granted_ttl), (9, 10));
    // Time passes within a millisecond, too: a second is over as soon as it has begun.
    let at_once = store.lease_time_to_live(1, false, 6_000).unwrap();
    assert_eq!(at_once.ttl, 9);
    assert!(store.lease_expired(15_999, 10).is_empty());
    let alive = Renewed::Alive {
        ttl: 10,
        clear_checkpoint: false,
    };
    assert_eq!(store.lease_renew(1, 15_000).unwrap(), alive);
    assert!(store.lease_expired(16_000, 10).is_empty());
    assert_eq!(store.lease_expired(25_000, 10), [1]);
    assert_eq!(store.lease_renew(1, 25_000).unwrap(), Renewed::Expiring);
    // Named again after three seconds.
    assert!(store.lease_expired(27_999, 10).is_empty());
    assert_eq!(store.lease_expired(28_000, 10), [1]);
    store.lease_demote();
    assert!(store.lease_expired(99_000, 10).is_empty());
}

#[test]
fn short_leases_are_lengthened() {
    let bench = Bench::new();
    let Ok(Response::LeaseGrant(granted)) = bench.grant(4, 0, 0) else {
        panic!("the grant failed");
    };
    assert_eq!(granted.ttl, 2);
    assert_eq!(crate::min_lease_ttl(10, 100), 2);
}

#[test]
fn leases_and_their_keys_outlive_a_restart() {
    let bench = Bench::new();
    bench.grant(1, 60, 0).unwrap();
    bench.grant(-5, 70, 0).unwrap();
    bench.apply(leased("a", 1)).unwrap();
    bench.apply(leased("b", 1)).unwrap();
    bench.apply(leased("b", 0)).unwrap();
    bench.apply(leased("c", -5)).unwrap();
    bench.delete("c", "");
    let bench = bench.reopen();
    assert_eq!(bench.store.leases(), [-5, 1]);
    assert_eq!(bench.store.lessor.lock().keys(1).unwrap(), [b"a"]);
    assert!(bench.store.lessor.lock().keys(-5).unwrap().is_empty());
}

#[test]
fn checkpoints_shorten_what_a_new_leader_gives() {
    let bench = Bench::with(Config {
        lease_checkpoint_interval: Some(5_000),
        lease_checkpoint_persist: true,
        ..Config::default()
    });
    bench.store.lease_promote(0, 0);
    bench.grant(1, 60, 0).unwrap();
    assert!(bench.store.lease_checkpoints(4_999, 10).is_empty());
    let due = bench.store.lease_checkpoints(5_500, 10);
    assert_eq!((due[0].id, due[0].remaining_ttl), (1, 55));
    let request = pb::InternalRaftRequest {
        lease_checkpoint: Some(pb::LeaseCheckpointRequest { checkpoints: due }),
        ..Default::default()
    };
    bench.apply_at(request, 5_500).response.unwrap();
    let bench = bench.reopen();
    bench.store.lease_promote(0, 0);
    let ttl = bench.store.lease_time_to_live(1, false, 0).unwrap();
    assert_eq!((ttl.ttl, ttl.granted_ttl), (54, 60));
}

#[test]
fn a_pile_of_leases_is_spread() {
    let bench = Bench::new();
    for id in 1..=3000 {
        bench.grant(id, 10, 0).unwrap();
    }
    bench.store.lease_promote(0, 0);
    let at_once = bench.store.lease_expired(10_000, 10_000).len();
    assert!((700..1500).contains(&at_once), "{at_once} end at once");
    let mut all = at_once;
    for second in 11..20 {
        all += bench.store.lease_expired(second * 1000, 10_000).len();
    }
    assert!(all >= 3000);
}
