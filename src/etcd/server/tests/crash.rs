//! `kill -9` while clients write: nothing acknowledged is lost, the db is sound.

use std::{path::Path, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::process::{Client, Plan, Whose};

const WRITERS: usize = 3;

/// A cheap, seeded sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Counts a key up until the member is gone. (last acknowledged, last sent)
async fn count(client: Client, key: String, from: u64) -> (u64, u64) {
    let mut acknowledged = from;
    loop {
        let next = acknowledged + 1;
        match client.put(&key, &next.to_string()).await {
            Ok(_) => acknowledged = next,
            Err(_) => return (acknowledged, next),
        }
    }
}

/// Counts a key up whatever happens, until it is stopped. (last acknowledged, last sent)
async fn keep_counting(client: Client, from: u64, stop: CancellationToken) -> (u64, u64) {
    let (mut acknowledged, mut sent) = (from, from);
    while !stop.is_cancelled() {
        match client.put("counter", &(acknowledged + 1).to_string()).await {
            Ok(_) => {
                acknowledged += 1;
                sent = acknowledged;
            }
            // It may have happened or may happen yet: never count backwards.
            Err(_) => {
                sent = acknowledged + 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    (acknowledged, sent)
}

async fn value(client: &Client, key: &str) -> u64 {
    let value = client.get(key).await.unwrap();
    value.map_or(0, |value| value.parse().unwrap())
}

fn check_db(dir: &Path) {
    let options = bolt::Options {
        read_only: true,
        ..bolt::Options::default()
    };
    let db = bolt::Db::open(&dir.join("member/snap/db"), options).unwrap();
    let found = bolt::check(&db.begin_read().unwrap());
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_killed_again_and_again_loses_nothing() {
    const ROUNDS: u64 = 100;
    let home = tempfile::tempdir().unwrap();
    let mut plan = Plan::new(home.path(), 1);
    // Snapshots, segments and batches come by often.
    plan.extra = [
        "--snapshot-count",
        "50",
        "--heartbeat-interval",
        "20",
        "--election-timeout",
        "200",
    ]
    .map(Into::into)
    .to_vec();
    let seed = 0x5eed;
    let mut dice = Dice(seed);
    let mut known = [(0, 0); WRITERS];
    for round in 0..ROUNDS {
        let member = plan.start(0, Whose::Ours);
        let client = plan.client(0);
        client.ready().await;
        let mut writers = JoinSet::new();
        for (at, (acknowledged, sent)) in known.into_iter().enumerate() {
            let key = format!("counter-{at}");
            let found = value(&client, &key).await;
            assert!(
                (acknowledged..=sent).contains(&found),
                "seed {seed:#x}, round {round}: {key} is {found}, acknowledged was {acknowledged}, sent {sent}"
            );
            let client = client.clone();
            writers.spawn(async move { (at, count(client, key, found).await) });
        }
        tokio::time::sleep(Duration::from_millis(5 + dice.roll(120))).await;
        member.kill();
        for (at, counted) in writers.join_all().await {
            known[at] = counted;
        }
        check_db(&plan.dir(0));
    }
    assert!(
        known.iter().all(|(acknowledged, _)| *acknowledged > ROUNDS),
        "hardly anything was written: {known:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_members_are_killed_loses_nothing() {
    const ROUNDS: u64 = 12;
    let home = tempfile::tempdir().unwrap();
    let mut plan = Plan::new(home.path(), 3);
    plan.extra = [
        "--snapshot-count",
        "50",
        "--heartbeat-interval",
        "20",
        "--election-timeout",
        "200",
        "--experimental-snapshot-catchup-entries",
        "20",
    ]
    .map(Into::into)
    .to_vec();
    let seed = 0xc105;
    let mut dice = Dice(seed);
    let mut members: Vec<_> = (0..3).map(|at| Some(plan.start(at, Whose::Ours))).collect();
    let clients: Vec<_> = (0..3).map(|at| plan.client(at)).collect();
    let mut acknowledged = 0;
    let mut sent = 0;
    for round in 0..ROUNDS {
        for client in &clients {
            client.ready().await;
            let found = value(client, "counter").await;
            assert!(
                (acknowledged..=sent).contains(&found),
                "seed {seed:#x}, round {round}: {found}, acknowledged was {acknowledged}, sent {sent}"
            );
        }
        let victim = dice.roll(3) as usize;
        let writer = plan.client((victim + 1) % 3);
        let from = value(&writer, "counter").await;
        let stop = CancellationToken::new();
        let counting = tokio::spawn(keep_counting(writer, from, stop.clone()));
        tokio::time::sleep(Duration::from_millis(20 + dice.roll(200))).await;
        if let Some(member) = members[victim].take() {
            member.kill();
        }
        // The two that are left go on, with a new leader if need be.
        tokio::time::sleep(Duration::from_millis(dice.roll(900))).await;
        check_db(&plan.dir(victim));
        members[victim] = Some(plan.start(victim, Whose::Ours));
        stop.cancel();
        (acknowledged, sent) = counting.await.unwrap();
    }
    assert!(
        acknowledged > ROUNDS,
        "hardly anything was written: {acknowledged}"
    );
    for member in members.into_iter().flatten() {
        member.kill();
    }
    for at in 0..3 {
        check_db(&plan.dir(at));
    }
}
