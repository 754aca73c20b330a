//! `etcdctl check perf`: whether a cluster bears so many writes a second.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::load::{Shape, Stats, Workers};
use super::progress::{Progress, REFRESH};
use super::{CLEAN_UP, Plan, clients, say, say_errors, size};
use crate::client::{Client, Retry, block_on_all_cores};
use crate::command::{Interrupt, configure};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;

/// A load and what must be borne of it.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// Writes a second.
    limit: u32,
    clients: usize,
}

/// How long the load lasts.
const SECONDS: u64 = 60;

/// `checkPerfCfgMap` of the reference.
const LOADS: [Load; 4] = [
    Load {
        limit: 150,
        clients: 50,
    },
    Load {
        limit: 1000,
        clients: 200,
    },
    Load {
        limit: 8000,
        clients: 500,
    },
    Load {
        limit: 15000,
        clients: 1000,
    },
];

/// What a healthy cluster keeps to: the share of the writes that come through, and
/// the seconds that the slowest and the deviation may have.
const LEAST_SHARE: f64 = 0.9;
const SLOWEST_SECONDS: f64 = 0.5;
const DEVIATION_SECONDS: f64 = 0.1;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let load = size(invocation.text("load"), LOADS)?;
    let plan = Plan::from_flags(invocation);
    let (config, _) = configure(invocation, &[])?;
    let clients = clients(config, load.clients)?;
    block_on_all_cores(async {
        let first = &clients[0];
        let hint = format!("'etcdctl del --prefix {}'", plan.prefix);
        plan.demand_no_keys(first, &hint).await?;
        let workers = Workers::start(&clients);
        let stats = write(&plan, load, workers).await?;
        clean_up(&plan, first).await?;
        plan.defragment(first).await?;
        judge(load, &stats)
    })
}

/// Writes at an even pace until the time is over or someone presses Ctrl-C.
async fn write(plan: &Plan, load: Load, mut workers: Workers) -> Result<Stats, Exit> {
    let shape = Shape {
        prefix: plan.prefix.as_bytes().to_vec(),
        key_bytes: 256,
        value_bytes: 1024,
    };
    let mut interrupt = Interrupt::listen()?;
    let progress = Progress::start(SECONDS)?;
    let started = Instant::now();
    let end = started + Duration::from_secs(SECONDS);
    let mut pace = interval(Duration::from_secs(1) / load.limit);
    // Behind its time it hurries, so that the pace over all is kept.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut refresh = interval(REFRESH);
    let mut stats = Stats::default();
    loop {
        tokio::select! {
            biased;
            () = interrupt.wait() => break,
            () = tokio::time::sleep_until(end) => break,
            _ = refresh.tick() => {
                workers.drain(&mut stats);
                progress.show(started.elapsed().as_secs().min(SECONDS))?;
            }
            _ = pace.tick() => {
                let put = shape.put()?;
                tokio::select! {
                    () = workers.give(put) => {}
                    () = tokio::time::sleep_until(end) => break,
                }
            }
        }
    }
    let stats = workers.finish(stats).await;
    progress.finish(started.elapsed().as_secs().min(SECONDS))?;
    Ok(stats)
}

async fn clean_up(plan: &Plan, client: &Client) -> Outcome {
    let options = client.options(Retry::Once, Some(Instant::now() + CLEAN_UP));
    match plan.delete(client, &options).await {
        Ok(revision) => plan.compact(client, revision).await,
        Err(error) => say(format!(
            "FAIL: Cleanup failed during key deletion: ERROR({error})\n"
        )),
    }
}

fn judge(load: Load, stats: &Stats) -> Outcome {
    let mut good = !say_errors(stats)?;
    let rate = stats.per_second();
    let shown = rate as i64 + 1;
    let mut verdict = |passed: bool, pass: String, fail: String| {
        good &= passed;
        say(if passed { pass } else { fail })
    };
    verdict(
        rate / f64::from(load.limit) > LEAST_SHARE,
        format!("PASS: Throughput is {shown} writes/s\n"),
        format!("FAIL: Throughput too low: {shown} writes/s\n"),
    )?;
    let slowest = stats.slowest();
    verdict(
        slowest <= SLOWEST_SECONDS,
        format!("PASS: Slowest request took {slowest:.6}s\n"),
        format!("Slowest request took too long: {slowest:.6}s\n"),
    )?;
    let deviation = stats.deviation();
    verdict(
        deviation <= DEVIATION_SECONDS,
        format!("PASS: Stddev is {deviation:.6}s\n"),
        format!("Stddev too high: {deviation:.6}s\n"),
    )?;
    if good {
        return say("PASS\n".into());
    }
    say("FAIL\n".into())?;
    Err(Exit::silent(code::ERROR))
}
