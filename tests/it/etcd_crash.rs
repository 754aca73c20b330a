//! Three members as people run them (`kubedrill etcd …`): one, two or all of them are
//! killed again and again at random moments under load, nothing that was acknowledged is
//! lost, all members end equal, and Google's `etcdutl` finds every database sound.
//!
//! How one member fares is tested beside the server's code. The longer run:
//! `KUBEDRILL_CRASH_KILLS=500 cargo test --test it etcd_crash`; the moments follow from
//! `KUBEDRILL_CRASH_SEED`, which a failure prints.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::etcd_cluster::{Cluster, Endpoint, PATIENCE, Plan, Whose, base64, eventually};
use crate::support::{reference, run};

const MEMBERS: usize = 3;
const WRITERS: usize = 3;
/// What CI runs.
const KILLS: usize = 20;
/// How many writes are acknowledged between two rounds, at least.
const WRITES: usize = 20;

/// Snapshots and elections come by often.
const FLAGS: &[&str] = &[
    "--snapshot-count=100",
    "--experimental-snapshot-catchup-entries=20",
    "--heartbeat-interval=20",
    "--election-timeout=200",
];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Numbers that follow from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Writes new keys through whichever member answers until told to stop; returns the
/// keys that were acknowledged. What is lost with a leader is not waited for.
fn write(
    writer: usize,
    members: &[Endpoint],
    stop: &AtomicBool,
    count: &AtomicUsize,
) -> Vec<String> {
    const LIMIT: Duration = Duration::from_millis(300);
    let mut acknowledged = Vec::new();
    let mut next = 0;
    while !stop.load(Ordering::SeqCst) {
        let key = format!("{writer}-{next:06}");
        let put = json!({"key": base64(&key), "value": base64(&key)});
        let member = &members[(writer + next) % members.len()];
        next += 1;
        match member.post_within(LIMIT, "/v3/kv/put", &put) {
            Ok(_) => {
                acknowledged.push(key);
                count.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    acknowledged
}

/// Whom a round kills: mostly one, sometimes the leader, two, or all at once.
fn victims(cluster: &Cluster, dice: &mut Dice) -> Vec<usize> {
    let first = dice.below(MEMBERS as u64) as usize;
    match dice.below(8) {
        0 => (0..MEMBERS).collect(),
        1 => (0..MEMBERS).filter(|at| *at != first).collect(),
        2..=4 => vec![cluster.leader()],
        _ => vec![first],
    }
}

/// Kills until it was done often enough.
fn kill_at_random(cluster: &mut Cluster, wanted: usize, dice: &mut Dice, count: &AtomicUsize) {
    let mut killed = 0;
    while killed < wanted {
        // In the midst of writes, not between them.
        let (known, until) = (count.load(Ordering::SeqCst), Instant::now() + PATIENCE);
        while count.load(Ordering::SeqCst) < known + WRITES {
            assert!(
                Instant::now() < until,
                "nothing is written; {}",
                cluster.logs()
            );
            thread::sleep(Duration::from_millis(1));
        }
        let victims = victims(cluster, dice);
        thread::sleep(Duration::from_millis(dice.below(60)));
        for at in &victims {
            cluster.kill(*at);
            killed += 1;
        }
        // Some come back at once, while the others do not know yet.
        thread::sleep(Duration::from_millis(dice.below(3) * 200));
        for at in victims {
            cluster.run(at);
            // And some die while they start.
            if dice.below(6) == 0 {
                thread::sleep(Duration::from_millis(dice.below(150)));
                cluster.kill(at);
                killed += 1;
                cluster.run(at);
            }
        }
    }
}

#[test]
fn members_killed_under_load_lose_nothing() {
    let wanted = setting("KUBEDRILL_CRASH_KILLS").map_or(KILLS, |kills| kills as usize);
    let seed = setting("KUBEDRILL_CRASH_SEED").unwrap_or_else(|| {
        // Process ids differ from run to run; xorshift must not begin with 0.
        u64::from(std::process::id()) << 8 | 1
    });
    eprintln!("KUBEDRILL_CRASH_SEED={seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let plan = Plan {
        flags: FLAGS,
        ..Plan::default()
    };
    let mut cluster = Cluster::start(&[Whose::Ours; MEMBERS], &plan);
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let members: Vec<_> = (0..MEMBERS).map(|at| cluster.endpoint(at)).collect();
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (members, stop, count) = (&members, &stop, &count);
                scope.spawn(move || write(writer, members, stop, count))
            })
            .collect();
        // Writers stop whatever happens here.
        let killing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            kill_at_random(&mut cluster, wanted, &mut dice, &count);
        }));
        stop.store(true, Ordering::SeqCst);
        let written = writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"))
            .collect();
        if let Err(panic) = killing {
            std::panic::resume_unwind(panic);
        }
        written
    });
    eprintln!("{} acknowledged writes", acknowledged.len());
    cluster.settle();
    cluster.expect_equal();
    for at in 0..MEMBERS {
        expect_all(&cluster, at, &acknowledged);
    }
    expect_sound_files(&mut cluster);
}

/// A member has every acknowledged key.
fn expect_all(cluster: &Cluster, at: usize, acknowledged: &[String]) {
    let all = json!({"key": base64("0"), "range_end": base64("9"), "keys_only": true});
    let range = eventually("all keys", || {
        cluster
            .endpoint(at)
            .post("/v3/kv/range", &all)
            .map_err(|error| format!("m{at}: {error}; {}", cluster.logs()))
    });
    let kvs = range["kvs"].as_array().map_or(&[][..], Vec::as_slice);
    let keys: BTreeSet<&str> = kvs.iter().filter_map(|kv| kv["key"].as_str()).collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|key| !keys.contains(base64(key).as_str()))
        .collect();
    assert!(lost.is_empty(), "m{at} lost {lost:?}; {}", cluster.logs());
}

/// Google's tool and ours say the same of every member's database.
fn expect_sound_files(cluster: &mut Cluster) {
    (0..MEMBERS).for_each(|at| cluster.kill(at));
    for at in 0..MEMBERS {
        let db = cluster.dir(at).join("member/snap/db").display().to_string();
        let look = ["snapshot", "status", db.as_str(), "--write-out=json"];
        let theirs = run(Command::new(reference("3.5/etcdutl")).args(look), "").expect(0);
        let ours = run(cluster.home.kubedrill(["etcdutl"]).args(look), "").expect(0);
        let (theirs, ours): (Value, Value) = (
            serde_json::from_str(&theirs.stdout).expect("JSON"),
            serde_json::from_str(&ours.stdout).expect("JSON"),
        );
        assert_eq!(ours, theirs, "m{at}");
    }
}
