//! Calls with one answer, and the opening of streams, with the retrying of
//! `client/v3/retry_interceptor.go`.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt as _};
use tonic::client::Grpc;
use tonic::codec::Streaming;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request};

use super::balancer::Balancer;
use super::error::RpcError;
use super::login;
use super::raw::{BytesCodec, Messages, decode};
use crate::log::{Field, Json, Level};
use crate::version;

/// Attempts of a call that may be repeated.
const MAX_ATTEMPTS: u32 = 100;

/// Pause between rounds over a quorum of the endpoints.
const BACKOFF: Duration = Duration::from_millis(25);

/// Bytes that a request may have (`defaultMaxCallSendMsgSize`).
const MAX_REQUEST_BYTES: usize = 2 * 1024 * 1024;

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Reads: whatever says `Unavailable`.
    Repeatable,
    /// Writes: only what certainly never reached a server.
    Once,
}

/// How a call behaves.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// See [`Retry`].
    pub retry: Retry,
    /// When to give up; `None` waits for ever.
    pub deadline: Option<Instant>,
    /// Logger of warnings about failed attempts.
    pub logger: &'static str,
    /// How warnings name the client.
    pub target: String,
    /// How many endpoints the client has.
    pub endpoints: usize,
}

/// One request, one answer.
pub async fn unary<Q, R>(
    balancer: &Balancer,
    path: &'static str,
    request: Q,
    options: &CallOptions,
) -> Result<R, RpcError>
where
    Q: prost::Message,
    R: prost::Message + Default,
{
    let request = Bytes::from(request.encode_to_vec());
    let answer = unary_bytes(balancer, path, request, options).await?;
    decode(answer).map_err(|status| RpcError::from_status(&status))
}

async fn unary_bytes(
    balancer: &Balancer,
    path: &'static str,
    request: Bytes,
    options: &CallOptions,
) -> Result<Bytes, RpcError> {
    let quorum = options.endpoints as u32 / 2 + 1;
    let mut attempt = 0;
    loop {
        let error = match once(balancer, path, request.clone(), options.deadline).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        Json::new(options.logger).write(
            Level::Warn,
            "v3/retry_interceptor.go:63",
            "retrying of unary invoker failed",
            &[
                Field::text("target", &options.target),
                Field::number("attempt", attempt),
                Field::text("error", &error.wrapped()),
            ],
        );
        attempt += 1;
        if attempt >= MAX_ATTEMPTS {
            return Err(error);
        }
        if !error.is_context() && login::may_help(&error, balancer.login().is_some()) {
            if let Err(error) = login::log_in_again(balancer, options).await {
                Json::new(options.logger).write(
                    Level::Warn,
                    "v3/retry_interceptor.go:79",
                    "retrying of unary invoker failed to fetch new auth token",
                    &[
                        Field::text("target", &options.target),
                        Field::text("error", &error.to_string()),
                    ],
                );
                return Err(error);
            }
        } else if !may_retry(&error, options) {
            return Err(error);
        }
        if attempt % quorum == 0 {
            pause(options.deadline).await?;
        }
    }
}

fn may_retry(error: &RpcError, options: &CallOptions) -> bool {
    if error.is_context() {
        return !error.expired && options.deadline.is_none_or(|d| Instant::now() < d);
    }
    let learner =
        error.message == "etcdserver: rpc not supported for learner" && options.endpoints > 1;
    learner || (options.retry == Retry::Repeatable && error.code == Code::Unavailable)
}

async fn pause(deadline: Option<Instant>) -> Result<(), RpcError> {
    let wake = Instant::now() + BACKOFF;
    match deadline {
        Some(deadline) if deadline < wake => {
            tokio::time::sleep_until(deadline).await;
            Err(RpcError::deadline("context deadline exceeded"))
        }
        _ => {
            tokio::time::sleep_until(wake).await;
            Ok(())
        }
    }
}

async fn once(
    balancer: &Balancer,
    path: &'static str,
    request: Bytes,
    deadline: Option<Instant>,
) -> Result<Bytes, RpcError> {
    let mut client = ready(balancer, deadline).await?;
    let length = request.len();
    if length > MAX_REQUEST_BYTES {
        return Err(RpcError {
            code: Code::ResourceExhausted,
            message: format!(
                "trying to send message larger than max ({length} vs. {MAX_REQUEST_BYTES})"
            ),
            expired: false,
        });
    }
    let mut request = Request::new(request);
    add_metadata(&mut request, balancer);
    if let Some(deadline) = deadline {
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    let call = client.unary(request, PathAndQuery::from_static(path), BytesCodec);
    let answer = within(deadline, call).await?;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| expire(RpcError::from_status(&status), deadline))
}

/// A request whose answer is a stream. The outer error is that nothing could be asked,
/// the inner one that the server refused, which clients of the reference notice when
/// they read the first message.
pub async fn server_stream<Q, R>(
    balancer: &Balancer,
    path: &'static str,
    request: Q,
    options: &CallOptions,
) -> Result<Result<Messages<R>, RpcError>, RpcError>
where
    Q: prost::Message,
    R: prost::Message + Default,
{
    let request = Bytes::from(request.encode_to_vec());
    let stream = server_stream_of_bytes(balancer, path, request, options).await?;
    Ok(stream.map(Messages::new))
}

async fn server_stream_of_bytes(
    balancer: &Balancer,
    path: &'static str,
    request: Bytes,
    options: &CallOptions,
) -> Result<Result<Streaming<Bytes>, RpcError>, RpcError> {
    let deadline = options.deadline;
    log_in_for_stream(balancer, options).await?;
    let mut client = ready(balancer, deadline).await?;
    let mut request = Request::new(request);
    add_metadata(&mut request, balancer);
    let call = client.server_streaming(request, PathAndQuery::from_static(path), BytesCodec);
    let answer = within(deadline, call).await?;
    Ok(answer
        .map(tonic::Response::into_inner)
        .map_err(|status| expire(RpcError::from_status(&status), deadline)))
}

/// A token may have become stale since the last call, and a stream can't be begun
/// again, so each begins with a new one.
async fn log_in_for_stream(balancer: &Balancer, options: &CallOptions) -> Result<(), RpcError> {
    let result = login::log_in(balancer, options).await;
    if let Err(error) = &result {
        Json::new(options.logger).write(
            Level::Error,
            "v3/retry_interceptor.go:112",
            "clientv3/retry_interceptor: getToken failed",
            &[Field::text("error", &error.to_string())],
        );
    }
    result
}

/// A stream in each direction. With `need_leader` the server ends it when the
/// cluster has no leader.
pub async fn both_streams<Q, R>(
    balancer: &Balancer,
    path: &'static str,
    requests: impl Stream<Item = Q> + Send + 'static,
    need_leader: bool,
    options: &CallOptions,
) -> Result<Messages<R>, RpcError>
where
    Q: prost::Message,
    R: prost::Message + Default,
{
    let requests = requests.map(|request| Bytes::from(request.encode_to_vec()));
    let stream = both_streams_of_bytes(balancer, path, Box::pin(requests), need_leader, options);
    Ok(Messages::new(stream.await?))
}

async fn both_streams_of_bytes(
    balancer: &Balancer,
    path: &'static str,
    requests: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    need_leader: bool,
    options: &CallOptions,
) -> Result<Streaming<Bytes>, RpcError> {
    log_in_for_stream(balancer, options).await?;
    let mut client = ready(balancer, None).await?;
    let mut request = Request::new(requests);
    add_metadata(&mut request, balancer);
    if need_leader {
        request
            .metadata_mut()
            .insert("hasleader", AsciiMetadataValue::from_static("true"));
    }
    let call = client.streaming(request, PathAndQuery::from_static(path), BytesCodec);
    call.await
        .map(tonic::Response::into_inner)
        .map_err(|status| RpcError::from_status(&status))
}

/// The next message of a stream; `None` at its end.
pub async fn next<R: prost::Message + Default>(
    stream: &mut Messages<R>,
    deadline: Option<Instant>,
) -> Result<Option<R>, RpcError> {
    within(deadline, stream.message())
        .await?
        .map_err(|status| expire(RpcError::from_status(&status), deadline))
}

async fn ready(
    balancer: &Balancer,
    deadline: Option<Instant>,
) -> Result<Grpc<super::connect::Connection>, RpcError> {
    loop {
        let connection = balancer.pick(deadline).await?;
        let origin = connection.origin();
        let mut client =
            Grpc::with_origin(connection, origin).max_decoding_message_size(usize::MAX);
        // A connection that closes between the two is picked no more.
        if client.ready().await.is_ok() {
            return Ok(client);
        }
    }
}

async fn within<T>(
    deadline: Option<Instant>,
    call: impl Future<Output = T>,
) -> Result<T, RpcError> {
    match deadline {
        None => Ok(call.await),
        Some(deadline) => tokio::time::timeout_at(deadline, call)
            .await
            .map_err(|_| RpcError::deadline("context deadline exceeded")),
    }
}

/// A server that saw the deadline first is told from one that ended the call itself.
fn expire(mut error: RpcError, deadline: Option<Instant>) -> RpcError {
    if error.code == Code::DeadlineExceeded && deadline.is_some() && !error.is_etcd() {
        error.expired = true;
    }
    error
}

fn add_metadata<T>(request: &mut Request<T>, balancer: &Balancer) {
    if let Some(login) = balancer.login() {
        login.authorize(request);
    }
    request.metadata_mut().insert(
        "client-api-version",
        AsciiMetadataValue::from_static(version::API),
    );
}
