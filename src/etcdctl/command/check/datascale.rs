//! `etcdctl check datascale`: how much memory a member needs for so many keys.

use tokio::time::interval;

use super::load::{Shape, Stats, Workers};
use super::progress::{Progress, REFRESH};
use super::{Plan, clients, say, say_errors, size};
use crate::client::{Config, Retry, block_on_all_cores, metrics};
use crate::command::{configure, failed};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;

/// A load.
#[derive(Debug, Clone, Copy)]
struct Load {
    keys: u64,
    clients: usize,
}

/// `checkDatascaleCfgMap` of the reference.
const LOADS: [Load; 4] = [
    Load {
        keys: 10_000,
        clients: 50,
    },
    Load {
        keys: 100_000,
        clients: 200,
    },
    Load {
        keys: 1_000_000,
        clients: 500,
    },
    Load {
        keys: 3_000_000,
        clients: 1000,
    },
];

/// Bytes of a key, and of a value.
const HALF_BYTES: usize = 512;

const MEMORY: &str = "process_resident_memory_bytes";

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let load = size(invocation.text("load"), LOADS)?;
    let plan = Plan::from_flags(invocation);
    let (config, _) = configure(invocation, &[])?;
    let clients = clients(config.clone(), load.clients)?;
    block_on_all_cores(async {
        let first = &clients[0];
        let hint = format!("etcdctl del --prefix {}", plan.prefix);
        plan.demand_no_keys(first, &hint).await?;
        let before = memory(&config, "before").await?;
        say(format!(
            "Start data scale check for work load [{} key-value pairs, {} bytes per key-value, {} concurrent clients].\n",
            load.keys,
            2 * HALF_BYTES,
            load.clients
        ))?;
        let stats = write(&plan, load, Workers::start(&clients)).await?;
        let after = memory(&config, "after").await?;
        let options = first.options(Retry::Once, None);
        let revision = plan.delete(first, &options).await.map_err(failed)?;
        plan.compact(first, revision).await?;
        plan.defragment(first).await?;
        if say_errors(&stats)? {
            return Err(Exit::silent(code::ERROR));
        }
        let used = (after - before) / (1024.0 * 1024.0);
        say(format!(
            "PASS: Approximate system memory used : {used:.2} MB.\n"
        ))
    })
}

/// Bytes of memory that the first endpoint's process has.
async fn memory(config: &Config, when: &str) -> Result<f64, Exit> {
    let problem = match metrics::fetch(config, &config.endpoints[0]).await {
        Ok(page) => match metrics::value(&page, MEMORY) {
            Some(bytes) if bytes > 0.0 => return Ok(bytes),
            _ => format!("could not find: {MEMORY}\n"),
        },
        Err(why) => format!("fetch error: {why}\n"),
    };
    say(problem)?;
    say(format!(
        "FAIL: Could not read {MEMORY} {when} the put operations.\n"
    ))?;
    Err(Exit::silent(code::ERROR))
}

async fn write(plan: &Plan, load: Load, mut workers: Workers) -> Result<Stats, Exit> {
    let shape = Shape {
        prefix: plan.prefix.as_bytes().to_vec(),
        key_bytes: HALF_BYTES,
        value_bytes: HALF_BYTES,
    };
    let progress = Progress::start(load.keys)?;
    let mut refresh = interval(REFRESH);
    let mut stats = Stats::default();
    for _ in 0..load.keys {
        let put = shape.put()?;
        {
            let mut give = std::pin::pin!(workers.give(put));
            loop {
                tokio::select! {
                    () = &mut give => break,
                    _ = refresh.tick() => progress.show(stats.count() as u64)?,
                }
            }
        }
        workers.drain(&mut stats);
    }
    let stats = workers.finish(stats).await;
    progress.finish(stats.count() as u64)?;
    Ok(stats)
}
