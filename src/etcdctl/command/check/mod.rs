//! `etcdctl check …`: load on a cluster, and whether it bears it.

pub mod datascale;
mod load;
mod perf;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wire::etcdserverpb as pb;

pub use perf::run as perf;

use super::{failed, prefix_range};
use crate::client::{self, CallOptions, Client, Config, Retry, RpcError};
use crate::exit::{Exit, Outcome, code};
use crate::flags::Invocation;
use crate::go::quote::quote;
use crate::print;

/// How long cleaning up may take.
const CLEAN_UP: Duration = Duration::from_secs(30);

/// The flags that both checks have.
struct Plan {
    prefix: String,
    auto_compact: bool,
    auto_defrag: bool,
}

impl Plan {
    fn from_flags(invocation: &Invocation) -> Self {
        Self {
            prefix: invocation.text("prefix").to_owned(),
            auto_compact: invocation.flag("auto-compact"),
            auto_defrag: invocation.flag("auto-defrag"),
        }
    }

    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        prefix_range(self.prefix.as_bytes())
    }

    /// Nothing that is there already may be deleted at the end.
    async fn demand_no_keys(&self, client: &Client, hint: &str) -> Outcome {
        let (key, range_end) = self.range();
        let request = pb::RangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            limit: 1,
            ..Default::default()
        };
        let options = client.options(Retry::Repeatable, None);
        let path = "/etcdserverpb.KV/Range";
        let found: pb::RangeResponse = client::unary(client.any(), path, request, &options)
            .await
            .map_err(failed)?;
        if found.kvs.is_empty() {
            return Ok(());
        }
        let text = format!(
            "prefix {} has keys. Delete with {hint} first",
            quote(self.prefix.as_bytes())
        );
        Err(Exit::new(code::INVALID_INPUT, text))
    }

    /// Deletes what the check wrote; gives the revision of that.
    async fn delete(&self, client: &Client, options: &CallOptions) -> Result<i64, RpcError> {
        let (key, range_end) = self.range();
        let request = pb::DeleteRangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            ..Default::default()
        };
        let path = "/etcdserverpb.KV/DeleteRange";
        let deleted: pb::DeleteRangeResponse =
            client::unary(client.any(), path, request, options).await?;
        Ok(deleted.header.map_or(0, |header| header.revision))
    }

    async fn compact(&self, client: &Client, revision: i64) -> Outcome {
        if !self.auto_compact {
            return Ok(());
        }
        say(format!("Compacting with revision {revision}\n"))?;
        let request = pb::CompactionRequest {
            revision,
            physical: true,
        };
        let path = "/etcdserverpb.KV/Compact";
        let options = client.options(Retry::Once, Some(Instant::now() + CLEAN_UP));
        let _: pb::CompactionResponse = client::unary(client.any(), path, request, &options)
            .await
            .map_err(failed)?;
        say(format!("Compacted with revision {revision}\n"))
    }

    async fn defragment(&self, client: &Client) -> Outcome {
        if !self.auto_defrag {
            return Ok(());
        }
        for endpoint in client.endpoints() {
            let shown = quote(endpoint.as_bytes());
            say(format!("Defragmenting {shown}\n"))?;
            let path = "/etcdserverpb.Maintenance/Defragment";
            let options = client.options(Retry::Once, Some(Instant::now() + CLEAN_UP));
            let _: pb::DefragmentResponse = client
                .ask_only(endpoint, path, pb::DefragmentRequest {}, &options)
                .await
                .map_err(|error| Exit::error(error.to_string()))?;
            say(format!("Defragmented {shown}\n"))?;
        }
        Ok(())
    }
}

/// The size of a load by its name or its letter.
fn size<T: Copy>(typed: &str, sizes: [T; 4]) -> Result<T, Exit> {
    let at = match typed {
        "s" | "small" => 0,
        "m" | "medium" => 1,
        "l" | "large" => 2,
        "xl" | "xLarge" => 3,
        _ => {
            return Err(Exit::new(
                code::BAD_FEATURE,
                format!("unknown load option {typed}"),
            ));
        }
    };
    Ok(sizes[at])
}

/// Many clients of one cluster, each with connections of its own. One of them has
/// logged in for all.
fn clients(config: Config, count: usize) -> Result<Vec<Arc<Client>>, Exit> {
    let first = Client::open(config.clone())?;
    let more = (1..count).map(|_| Client::new(config.clone()));
    std::iter::once(Ok(first))
        .chain(more)
        .map(|client| client.map(Arc::new))
        .collect()
}

fn say(text: String) -> Outcome {
    print::stdout(text.as_bytes())
}

/// `FAIL: too many errors` and what they were; true when there were any.
fn say_errors(stats: &load::Stats) -> Result<bool, Exit> {
    if stats.errors.is_empty() {
        return Ok(false);
    }
    say("FAIL: too many errors\n".into())?;
    for (error, count) in &stats.errors {
        say(format!("FAIL: ERROR({error}) -> {count}\n"))?;
    }
    Ok(true)
}
