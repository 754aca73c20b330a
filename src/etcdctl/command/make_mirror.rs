//! `etcdctl make-mirror`: what `client/v3/mirror` of the reference does.

use std::cell::Cell;
use std::time::Duration;

use wire::etcdserverpb as pb;
use wire::mvccpb::Event;
use wire::mvccpb::event::EventType;

use super::{Session, block_on, exclusive, failed, prefix_end};
use crate::client::{self, Client, Retry, RpcError, Wanted, WatchEvent, Watcher, login};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::print;

/// Keys in a page of the first copy.
const PAGE: i64 = 1000;

/// How often the number of copied keys is printed.
const REPORT: Duration = Duration::from_secs(30);

/// The command. It ends only when something goes wrong.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let [destination] = invocation.args() else {
        return Err(Exit::bad_args("make-mirror takes one destination argument"));
    };
    let destination = String::from_utf8_lossy(destination).into_owned();
    let destination = open_destination(invocation, destination)?;
    let session = Session::open(invocation)?;
    let keys = Keys::from_flags(invocation)?;
    let copied = Cell::new(0u64);
    block_on(async {
        let mirror = Mirror {
            from: &session.client,
            to: &destination,
            keys,
            copied: &copied,
        };
        tokio::select! {
            result = mirror.run() => Err(match result {
                Ok(why) => Exit::error(why),
                Err(error) => failed(error),
            }),
            outcome = report(&copied) => outcome,
        }
    })
}

/// A client of the mirror, whose certificates and user are its own.
fn open_destination(invocation: &Invocation, endpoint: String) -> Result<Client, Exit> {
    let text = |name: &str| invocation.text(name).to_owned();
    let login = login::read(
        &text("dest-user"),
        &text("dest-password"),
        "Destination Password: ",
    )?;
    let tls = Wanted {
        cert: text("dest-cert"),
        key: text("dest-key"),
        ca: text("dest-cacert"),
        insecure_transport: invocation.flag("dest-insecure-transport"),
        ..Default::default()
    };
    Client::open(client::config_with(invocation, vec![endpoint], login, tls)?)
}

async fn report(copied: &Cell<u64>) -> Outcome {
    loop {
        tokio::time::sleep(REPORT).await;
        print::stdout(format!("{}\n", copied.get()).as_bytes())?;
    }
}

/// Which keys are copied, and what they are called in the mirror.
struct Keys {
    prefix: Vec<u8>,
    mirrored: Vec<u8>,
}

impl Keys {
    fn from_flags(invocation: &Invocation) -> Result<Self, Exit> {
        let prefix = invocation.text("prefix").as_bytes().to_vec();
        let mirrored = invocation.text("dest-prefix").as_bytes().to_vec();
        let none = invocation.flag("no-dest-prefix");
        if none && !mirrored.is_empty() {
            return Err(exclusive("dest-prefix", "no-dest-prefix"));
        }
        Ok(Self {
            mirrored: match mirrored.is_empty() && !none {
                true => prefix.clone(),
                false => mirrored,
            },
            prefix,
        })
    }

    /// Key and end of the range.
    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        match self.prefix.is_empty() {
            true => (vec![0], vec![0]),
            false => (self.prefix.clone(), prefix_end(&self.prefix)),
        }
    }

    fn rename(&self, key: &[u8]) -> Vec<u8> {
        let rest = key.strip_prefix(&self.prefix[..]).unwrap_or(key);
        [&self.mirrored, rest].concat()
    }
}

struct Mirror<'a> {
    from: &'a Client,
    to: &'a Client,
    keys: Keys,
    copied: &'a Cell<u64>,
}

impl Mirror<'_> {
    /// Copies what is there, then what changes. Ends with the reason why the changes
    /// ended.
    async fn run(&self) -> Result<String, RpcError> {
        let revision = self.copy_all().await?;
        self.follow(revision).await
    }

    async fn get(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse, RpcError> {
        let options = self.from.options(Retry::Repeatable, None);
        client::unary(self.from.any(), "/etcdserverpb.KV/Range", request, &options).await
    }

    /// Copies the keys as of one revision, which it gives.
    async fn copy_all(&self) -> Result<i64, RpcError> {
        // Any key will do to learn the revision, but the user may not read any.
        let probe = match self.keys.prefix.is_empty() {
            true => b"foo".to_vec(),
            false => self.keys.prefix.clone(),
        };
        let now = self
            .get(pb::RangeRequest {
                key: probe.into(),
                ..Default::default()
            })
            .await?;
        let revision = now.header.map_or(0, |header| header.revision);
        let (mut key, range_end) = self.keys.range();
        loop {
            let page = self
                .get(pb::RangeRequest {
                    key: key.into(),
                    range_end: range_end.clone().into(),
                    limit: PAGE,
                    revision,
                    ..Default::default()
                })
                .await?;
            for kv in &page.kvs {
                let put = pb::PutRequest {
                    key: self.keys.rename(&kv.key).into(),
                    value: kv.value.clone(),
                    ..Default::default()
                };
                let options = self.to.options(Retry::Once, None);
                let _: pb::PutResponse =
                    client::unary(self.to.any(), "/etcdserverpb.KV/Put", put, &options).await?;
                self.count();
            }
            match page.kvs.last() {
                Some(last) if page.more => key = [&last.key[..], &[0]].concat(),
                _ => return Ok(revision),
            }
        }
    }

    fn count(&self) {
        self.copied.set(self.copied.get() + 1);
    }

    /// Copies the changes after a revision; those of one revision in one transaction.
    async fn follow(&self, revision: i64) -> Result<String, RpcError> {
        let (key, range_end) = self.keys.range();
        let mut watcher = Watcher::new(self.from);
        watcher.add(pb::WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            start_revision: revision + 1,
            ..Default::default()
        });
        while watcher.is_active() {
            let response = match watcher.next().await? {
                WatchEvent::Ended { reason, .. } => return Ok(reason.to_string()),
                WatchEvent::Response { response, .. } => response,
            };
            if response.compact_revision != 0 {
                return Ok("etcdserver: mvcc: required revision has been compacted".into());
            }
            let at = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
            for events in response.events.chunk_by(|a, b| at(a) == at(b)) {
                self.apply(events).await?;
            }
        }
        Ok("the watch of the source has ended".into())
    }

    async fn apply(&self, events: &[Event]) -> Result<(), RpcError> {
        let request = pb::TxnRequest {
            success: events.iter().map(|event| self.op(event)).collect(),
            ..Default::default()
        };
        let options = self.to.options(Retry::Once, None);
        let _: pb::TxnResponse =
            client::unary(self.to.any(), "/etcdserverpb.KV/Txn", request, &options).await?;
        Ok(())
    }

    fn op(&self, event: &Event) -> pb::RequestOp {
        use pb::request_op::Request;
        self.count();
        let kv = event.kv.clone().unwrap_or_default();
        let key = self.keys.rename(&kv.key).into();
        let request = match event.r#type() {
            EventType::Put => Request::RequestPut(pb::PutRequest {
                key,
                value: kv.value,
                ..Default::default()
            }),
            EventType::Delete => Request::RequestDeleteRange(pb::DeleteRangeRequest {
                key,
                ..Default::default()
            }),
        };
        pb::RequestOp {
            request: Some(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    fn renamed(prefix: &str, mirrored: &str, key: &str) -> String {
        let keys = Keys {
            prefix: prefix.into(),
            mirrored: mirrored.into(),
        };
        String::from_utf8(keys.rename(key.as_bytes())).unwrap()
    }

    #[test]
    fn keys_get_the_mirrors_prefix() {
        assert_eq!(renamed("", "", "a"), "a");
        assert_eq!(renamed("", "/m", "/a"), "/m/a");
        assert_eq!(renamed("/a", "/b", "/a/a"), "/b/a");
        assert_eq!(renamed("/a/", "", "/a/x"), "x");
    }
}
