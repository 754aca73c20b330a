//! Watching the first bytes that a server sends, and what broke the stream.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::tls;

/// Bytes of an HTTP/2 frame header.
const FRAME_HEADER: usize = 9;

/// The type of a settings frame, which every server must send first.
const SETTINGS: u8 = 4;

#[derive(Default)]
struct State {
    first: Vec<u8>,
    failure: Option<Failure>,
}

/// What broke a stream, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// While reading; `EOF` when the server just left.
    Read(String),
    /// While writing.
    Write(String),
}

/// What is known of the server's first frame.
#[derive(Clone, Default)]
pub struct Preface {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
}

impl Preface {
    /// Waits until a whole frame header has come.
    pub async fn seen(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.was_seen() {
                return;
            }
            arrived.await;
        }
    }

    /// Whether a whole frame header has come.
    pub fn was_seen(&self) -> bool {
        self.lock().first.len() >= FRAME_HEADER
    }

    /// Whether what came isn't the first frame of an HTTP/2 server.
    pub fn looks_wrong(&self) -> bool {
        self.lock()
            .first
            .get(3)
            .is_some_and(|kind| *kind != SETTINGS)
    }

    /// What broke the stream.
    pub fn failure(&self) -> Failure {
        let failure = self.lock().failure.clone();
        failure.unwrap_or_else(|| Failure::Read("EOF".into()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that reports to a [`Preface`].
pub struct Watched<S> {
    stream: S,
    /// `tcp 127.0.0.1:41212->127.0.0.1:2379`.
    ends: String,
    preface: Preface,
    /// A write failed so, and it isn't told yet.
    broken: Option<io::Error>,
}

impl<S> Watched<S> {
    /// Wraps `stream`; `ends` are its two addresses.
    pub fn new(stream: S, ends: String) -> (Self, Preface) {
        let preface = Preface::default();
        let watched = Self {
            stream,
            ends,
            preface: preface.clone(),
            broken: None,
        };
        (watched, preface)
    }

    fn note<T>(&self, operation: &str, result: &Poll<io::Result<T>>) {
        let Poll::Ready(Err(error)) = result else {
            return;
        };
        // Errors of the operating system name the addresses, others don't.
        let text = match error.raw_os_error() {
            Some(_) => format!(
                "{operation} {}: {operation}: {}",
                self.ends,
                gowords::errno(error)
            ),
            None => tls::describe(error),
        };
        let failure = if operation == "write" {
            Failure::Write(text)
        } else {
            Failure::Read(text)
        };
        self.preface.lock().failure.get_or_insert(failure);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note("read", &result);
        let mut state = self.preface.lock();
        if state.first.len() < FRAME_HEADER {
            state.first.extend_from_slice(&buffer.filled()[before..]);
            if state.first.len() >= FRAME_HEADER {
                self.preface.arrived.notify_waiters();
            }
        }
        drop(state);
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken.is_none() {
            match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Ready(Err(error)) => self.broken = Some(error),
                other => return other,
            }
        }
        // A server that refuses a certificate says so before it leaves; its
        // reason may be waiting to be read.
        let mut scratch = [0; 64];
        let mut scratch = ReadBuf::new(&mut scratch);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut scratch);
        match &read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) if error.raw_os_error().is_none() => self.note("read", &read),
            Poll::Ready(_) => {}
        }
        let gone = || io::ErrorKind::BrokenPipe.into();
        let result = Poll::Ready(Err(self.broken.take().unwrap_or_else(gone)));
        self.note("write", &result);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
