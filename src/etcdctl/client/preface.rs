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
    failure: Option<String>,
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

    /// What broke the stream; `EOF` when the server just left.
    pub fn failure(&self) -> String {
        self.lock().failure.clone().unwrap_or_else(|| "EOF".into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that reports to a [`Preface`].
pub struct Watched<S> {
    stream: S,
    preface: Preface,
}

impl<S> Watched<S> {
    /// Wraps `stream`.
    pub fn new(stream: S) -> (Self, Preface) {
        let preface = Preface::default();
        (
            Self {
                stream,
                preface: preface.clone(),
            },
            preface,
        )
    }

    fn note<T>(&self, result: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = result {
            let mut state = self.preface.lock();
            state.failure.get_or_insert_with(|| tls::describe(error));
        }
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
        self.note(&result);
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&result);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
