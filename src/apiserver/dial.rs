//! Connections to etcd, and why they failed, in the words of gRPC-Go: they stand in the
//! log that people read when the API server does not come up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::{self, Io};

/// The type of the frame, which is its fourth byte.
const SETTINGS: u8 = 4;

/// The last trouble with an endpoint's connections; none while one works.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Its text, as `connection error: desc = "..."`.
    pub fn text(&self) -> Option<String> {
        self.0.lock().clone()
    }

    fn note(&self, what: &str) {
        *self.0.lock() = Some(format!("connection error: desc = {what:?}"));
    }

    fn over(&self) {
        *self.0.lock() = None;
    }
}

/// Connects, and notes what goes wrong then and later.
pub async fn dial(
    host: &str,
    port: u16,
    config: Option<Arc<ClientConfig>>,
    trouble: Trouble,
) -> io::Result<Watched> {
    let connected = tls::connect(host, port, config).await;
    match connected {
        Ok(inner) => Ok(Watched {
            inner,
            trouble,
            heard: false,
        }),
        Err(error) => {
            let dialing = error.to_string();
            trouble.note(&match dialing.starts_with("dial tcp") {
                true => format!("transport: Error while dialing: {dialing}"),
                false => format!(
                    "transport: authentication handshake failed: {}",
                    gowords::stream(&error)
                ),
            });
            Err(error)
        }
    }
}

/// A connection that notes why it ended. Who refuses a client's certificate says so
/// after the handshake only.
pub struct Watched {
    inner: Io,
    trouble: Trouble,
    heard: bool,
}

impl Watched {
    fn broken(&self, why: &str) {
        self.trouble.note(&match self.heard {
            true => format!("error reading from server: {why}"),
            false => format!("error reading server preface: {why}"),
        });
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        match &read {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.broken(&gowords::stream(error)),
            Poll::Ready(Ok(())) if buffer.filled().len() == before => self.broken("EOF"),
            Poll::Ready(Ok(())) if !self.heard => {
                // A server speaks first, and begins with its settings (RFC 9113, 3.4).
                if buffer.filled()[before..].get(3) == Some(&SETTINGS) {
                    self.heard = true;
                    self.trouble.over();
                } else {
                    self.broken("http2: frame too large");
                }
            }
            Poll::Ready(Ok(())) => {}
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
