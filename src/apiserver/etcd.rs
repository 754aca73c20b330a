//! The client of etcd: ranges, transactions, leases and watches over gRPC, with
//! fail-over between the endpoints of `--etcd-servers`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Streaming};
use wire::etcdserverpb as pb;
use wire::mvccpb::KeyValue;

use crate::dial::{Trouble, dial};
use crate::encryption::Encryption;

/// Why etcd did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EtcdError {
    /// No endpoint answered, or the cluster has no leader.
    #[error("{0}")]
    Unavailable(String),
    /// The revision asked for was compacted.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// Anything else, in etcd's words.
    #[error("{0}")]
    Other(String),
}

/// What a conditional write came to.
#[derive(Debug)]
pub enum Written {
    /// Done, at this revision.
    Done(i64),
    /// The condition did not hold.
    Lost,
}

/// One page of keys.
#[derive(Debug, Default)]
pub struct Page {
    /// Keys and values in key order.
    pub items: Vec<KeyValue>,
    /// Whether keys are left after the last one.
    pub more: bool,
    /// How many keys the range holds in all.
    pub count: i64,
    /// The store's revision when it answered.
    pub revision: i64,
}

struct Target {
    /// Host and port.
    address: String,
    channel: Channel,
    trouble: Trouble,
}

/// A handle on the cluster; clones share connections.
#[derive(Clone)]
pub struct Etcd {
    targets: Arc<Vec<Target>>,
    current: Arc<AtomicUsize>,
    lease: Arc<Mutex<Option<(i64, Instant)>>>,
    timeout: Duration,
    /// How values are kept.
    encryption: Arc<Encryption>,
}

/// The end of the range of keys that begin with `prefix`.
pub fn prefix_end(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Bytes::from(end);
        }
    }
    Bytes::from_static(&[0])
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn from_status(status: &tonic::Status, trouble: &Trouble) -> EtcdError {
    let message = status.message();
    if message.contains("has been compacted") {
        return EtcdError::Compacted;
    }
    match status.code() {
        _ if message.starts_with("etcdserver: ") && status.code() != Code::Unavailable => {
            EtcdError::Other(message.to_string())
        }
        Code::Unavailable if message.starts_with("etcdserver: ") => {
            EtcdError::Unavailable(message.to_string())
        }
        Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled => {
            let why = trouble.text().unwrap_or_else(|| message.to_string());
            EtcdError::Unavailable(format!("rpc error: code = Unavailable desc = {why}"))
        }
        Code::DeadlineExceeded => EtcdError::Unavailable("context deadline exceeded".to_string()),
        code => EtcdError::Other(format!("rpc error: code = {code:?} desc = {message}")),
    }
}

impl Etcd {
    /// Prepares connections to `servers` (URLs); nothing is sent yet. With a TLS
    /// configuration, `https` endpoints use it.
    pub fn new(servers: &[String], tls: Option<ClientConfig>) -> Result<Etcd, String> {
        let tls = tls.map(Arc::new);
        let mut targets = Vec::new();
        for server in servers {
            let uri: Uri = server
                .parse()
                .map_err(|e| format!("--etcd-servers: {server}: {e}"))?;
            let host = uri
                .host()
                .ok_or_else(|| format!("--etcd-servers: {server}: no host in it"))?
                .to_string();
            let port = uri.port_u16().unwrap_or(2379);
            let config = (uri.scheme_str() == Some("https"))
                .then(|| tls.clone())
                .flatten();
            if uri.scheme_str() == Some("https") && config.is_none() {
                return Err(format!("--etcd-servers: {server} needs --etcd-cafile"));
            }
            let address = format!("{host}:{port}");
            let trouble = Trouble::default();
            let noted = trouble.clone();
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .map_err(|e| e.to_string())?
                .connect_timeout(Duration::from_secs(2))
                .http2_keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10))
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(1 << 20);
            let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let (host, config, noted) = (host.clone(), config.clone(), noted.clone());
                async move { dial(&host, port, config, noted).await.map(TokioIo::new) }
            }));
            targets.push(Target {
                address,
                channel,
                trouble,
            });
        }
        if targets.is_empty() {
            return Err("--etcd-servers must be specified".to_string());
        }
        Ok(Etcd {
            targets: Arc::new(targets),
            current: Arc::new(AtomicUsize::new(0)),
            lease: Arc::new(Mutex::new(None)),
            timeout: Duration::from_secs(5),
            encryption: Arc::default(),
        })
    }

    /// The same cluster with values kept as told.
    pub fn with_encryption(mut self, encryption: Encryption) -> Etcd {
        self.encryption = Arc::new(encryption);
        self
    }

    /// What a stored pair means.
    ///
    /// # Errors
    /// It was encrypted in a way that the configuration does not know.
    pub fn open(&self, mut pair: KeyValue) -> Result<KeyValue, EtcdError> {
        if !pair.value.is_empty() {
            let key = String::from_utf8_lossy(&pair.key).into_owned();
            pair.value = self
                .encryption
                .open(&key, pair.value)
                .map_err(|error| EtcdError::Other(error.to_string()))?;
        }
        Ok(pair)
    }

    /// Whether a key's value is kept in another way than it would be written now.
    pub async fn is_stale(&self, key: &str) -> Result<bool, EtcdError> {
        let request = pb::RangeRequest {
            key: bytes(key),
            ..Default::default()
        };
        let page = self.stored_range(request).await?;
        let pair = page.items.first();
        Ok(pair.is_some_and(|pair| self.encryption.is_stale(key, &pair.value)))
    }

    /// What is wrong with the connections to each endpoint that has trouble: its host
    /// and port, and the error.
    pub fn troubles(&self) -> Vec<(&str, String)> {
        let all = self.targets.iter();
        all.filter_map(|target| Some((target.address.as_str(), target.trouble.text()?)))
            .collect()
    }

    fn target(&self) -> &Target {
        &self.targets[self.current.load(Ordering::Relaxed) % self.targets.len()]
    }

    /// Turns to the next endpoint.
    pub fn rotate(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes one call; while the cluster is unavailable, tries the endpoints in
    /// turn until `within` has passed.
    async fn call<T, F, Fut>(&self, within: Duration, make: F) -> Result<T, EtcdError>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let deadline = Instant::now() + within;
        let mut pause = Duration::from_millis(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let target = self.target();
            let result = tokio::time::timeout(left, make(target.channel.clone())).await;
            let error = match result {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => from_status(&status, &target.trouble),
                Err(_) => {
                    return Err(EtcdError::Unavailable(
                        "context deadline exceeded".to_string(),
                    ));
                }
            };
            if !matches!(error, EtcdError::Unavailable(_)) || Instant::now() + pause >= deadline {
                return Err(error);
            }
            self.rotate();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    async fn range(&self, request: pb::RangeRequest) -> Result<Page, EtcdError> {
        let mut page = self.stored_range(request).await?;
        let items = std::mem::take(&mut page.items);
        page.items = items
            .into_iter()
            .map(|pair| self.open(pair))
            .collect::<Result<_, _>>()?;
        Ok(page)
    }

    async fn stored_range(&self, request: pb::RangeRequest) -> Result<Page, EtcdError> {
        let response = self
            .call(self.timeout, |channel| {
                let request = request.clone();
                async move {
                    pb::kv_client::KvClient::new(channel)
                        .max_decoding_message_size(usize::MAX)
                        .range(request)
                        .await
                }
            })
            .await?;
        Ok(Page {
            more: response.more,
            count: response.count,
            revision: response.header.map_or(0, |h| h.revision),
            items: response.kvs,
        })
    }

    /// One key, read linearizably.
    pub async fn get(&self, key: &str) -> Result<(Option<KeyValue>, i64), EtcdError> {
        let page = self
            .range(pb::RangeRequest {
                key: bytes(key),
                ..Default::default()
            })
            .await?;
        Ok((page.items.into_iter().next(), page.revision))
    }

    /// Up to `limit` keys (0: all) from `start` on within `prefix`, at `revision`
    /// (0: now).
    pub async fn list(
        &self,
        prefix: &str,
        start: &str,
        limit: i64,
        revision: i64,
    ) -> Result<Page, EtcdError> {
        self.range(pb::RangeRequest {
            key: bytes(if start.is_empty() { prefix } else { start }),
            range_end: prefix_end(prefix),
            limit,
            revision,
            ..Default::default()
        })
        .await
    }

    /// How many keys begin with `prefix`.
    pub async fn count(&self, prefix: &str) -> Result<i64, EtcdError> {
        let request = pb::RangeRequest {
            key: bytes(prefix),
            range_end: prefix_end(prefix),
            count_only: true,
            ..Default::default()
        };
        Ok(self.stored_range(request).await?.count)
    }

    /// The store's current revision, read linearizably.
    pub async fn revision(&self, prefix: &str) -> Result<i64, EtcdError> {
        let request = pb::RangeRequest {
            key: bytes(prefix),
            limit: 1,
            keys_only: true,
            ..Default::default()
        };
        Ok(self.range(request).await?.revision)
    }

    /// A read with a short patience, for health checks.
    pub async fn probe(&self, within: Duration) -> Result<(), EtcdError> {
        let request = pb::RangeRequest {
            key: Bytes::from_static(b"/registry/health"),
            ..Default::default()
        };
        self.call(within, |channel| {
            let request = request.clone();
            async move { pb::kv_client::KvClient::new(channel).range(request).await }
        })
        .await
        .map(drop)
    }

    async fn txn(
        &self,
        key: &str,
        expected: i64,
        then: pb::request_op::Request,
    ) -> Result<Written, EtcdError> {
        use pb::compare::{CompareResult, CompareTarget, TargetUnion};
        let request = pb::TxnRequest {
            compare: vec![pb::Compare {
                result: CompareResult::Equal as i32,
                target: CompareTarget::Mod as i32,
                key: bytes(key),
                target_union: Some(TargetUnion::ModRevision(expected)),
                ..Default::default()
            }],
            success: vec![pb::RequestOp {
                request: Some(then),
            }],
            failure: Vec::new(),
        };
        let response = self
            .call(self.timeout, |channel| {
                let request = request.clone();
                async move { pb::kv_client::KvClient::new(channel).txn(request).await }
            })
            .await?;
        if response.succeeded {
            return Ok(Written::Done(response.header.map_or(0, |h| h.revision)));
        }
        Ok(Written::Lost)
    }

    /// Writes `value` if the key's modification revision is `expected` (0: absent).
    pub async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        expected: i64,
        lease: i64,
    ) -> Result<Written, EtcdError> {
        let value = self
            .encryption
            .seal(key, value)
            .map_err(|error| EtcdError::Other(error.to_string()))?;
        let put = pb::PutRequest {
            key: bytes(key),
            value: Bytes::from(value),
            lease,
            ..Default::default()
        };
        self.txn(key, expected, pb::request_op::Request::RequestPut(put))
            .await
    }

    /// Deletes the key if its modification revision is `expected`.
    pub async fn delete(&self, key: &str, expected: i64) -> Result<Written, EtcdError> {
        let delete = pb::DeleteRangeRequest {
            key: bytes(key),
            ..Default::default()
        };
        self.txn(
            key,
            expected,
            pb::request_op::Request::RequestDeleteRange(delete),
        )
        .await
    }

    /// A lease of at least `ttl` seconds. Objects written within a minute share one,
    /// so that etcd is not asked for a lease with every event.
    pub async fn lease(&self, ttl: i64) -> Result<i64, EtcdError> {
        let mut shared = self.lease.lock().await;
        if let Some((id, since)) = *shared
            && since.elapsed() < Duration::from_secs(60)
        {
            return Ok(id);
        }
        let response = self
            .call(self.timeout, |channel| async move {
                let request = pb::LeaseGrantRequest {
                    ttl: ttl + 60,
                    id: 0,
                };
                pb::lease_client::LeaseClient::new(channel)
                    .lease_grant(request)
                    .await
            })
            .await?;
        *shared = Some((response.id, Instant::now()));
        Ok(response.id)
    }

    /// Opens a watch on a prefix from `revision` on, previous values included. What
    /// is sent into the returned sender (progress requests) goes to etcd.
    pub async fn watch(
        &self,
        prefix: &str,
        revision: i64,
    ) -> Result<(mpsc::Sender<pb::WatchRequest>, Streaming<pb::WatchResponse>), EtcdError> {
        let (sender, receiver) = mpsc::channel(16);
        let create = pb::WatchCreateRequest {
            key: bytes(prefix),
            range_end: prefix_end(prefix),
            start_revision: revision,
            progress_notify: true,
            prev_kv: false,
            ..Default::default()
        };
        let request = pb::WatchRequest {
            request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)),
        };
        // The channel has room for its first message.
        let _ = sender.try_send(request);
        let target = self.target();
        let mut client = pb::watch_client::WatchClient::new(target.channel.clone())
            .max_decoding_message_size(usize::MAX);
        let opened = client.watch(ReceiverStream::new(receiver));
        match tokio::time::timeout(self.timeout, opened).await {
            Ok(Ok(response)) => Ok((sender, response.into_inner())),
            Ok(Err(status)) => {
                self.rotate();
                Err(from_status(&status, &target.trouble))
            }
            Err(_) => {
                self.rotate();
                Err(EtcdError::Unavailable(
                    "context deadline exceeded".to_string(),
                ))
            }
        }
    }
}

/// The request that asks etcd how far a watch has come.
pub fn progress_request() -> pb::WatchRequest {
    pb::WatchRequest {
        request_union: Some(pb::watch_request::RequestUnion::ProgressRequest(
            pb::WatchProgressRequest {},
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_after_their_last_key() {
        assert_eq!(&prefix_end("/a/")[..], b"/a0");
        assert_eq!(&prefix_end("")[..], &[0]);
    }
}
