//! The client's half of a WebSocket (RFC 6455), as much as `exec` needs.

use crate::client::Client;
use crate::error::{Error, Outcome};
use base64::Engine as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

type Stream = TokioIo<Upgraded>;

/// The longest frame that is taken; the API server sends 32 KiB at most.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What came.
pub enum Frame {
    /// A message's part, with the channel in its first byte.
    Binary(Vec<u8>),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// The end.
    Close,
}

/// The incoming half.
pub struct Reader {
    stream: ReadHalf<Stream>,
    /// The protocol that the server chose.
    pub protocol: String,
}

/// The outgoing half.
pub struct Writer {
    stream: WriteHalf<Stream>,
}

/// Four bytes that nobody can foresee well enough to matter: masking protects
/// intermediaries, not secrets.
fn mask() -> [u8; 4] {
    let hash = RandomState::new().hash_one(std::time::Instant::now());
    let bytes = hash.to_le_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// Opens a WebSocket with one of the protocols.
///
/// # Errors
/// The server does not agree.
pub async fn connect(client: &Client, path: &str, protocols: &[&str]) -> Outcome<(Reader, Writer)> {
    let key: Vec<u8> = (0..4).flat_map(|_| mask()).collect();
    let key = base64::engine::general_purpose::STANDARD.encode(key);
    let wanted = protocols.join(", ");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", key.as_str()),
        ("sec-websocket-protocol", wanted.as_str()),
    ];
    let (head, stream) = client.upgrade(path, &headers).await?;
    let protocol = head
        .headers()
        .get("sec-websocket-protocol")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    if !protocols.contains(&protocol.as_str()) {
        return Err(Error::Message(format!(
            "unable to upgrade connection: the server chose protocol {protocol:?}"
        )));
    }
    let (read, write) = tokio::io::split(stream);
    Ok((
        Reader {
            stream: read,
            protocol,
        },
        Writer { stream: write },
    ))
}

impl Reader {
    /// The next frame; `None` when the connection ended without a word. Not to
    /// be dropped halfway unless the connection is given up.
    pub async fn next(&mut self) -> Outcome<Option<Frame>> {
        loop {
            let mut head = [0; 2];
            match self.stream.read_exact(&mut head).await {
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(e) => return Err(e.into()),
            }
            let length = match head[1] & 0x7f {
                126 => u64::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await?,
                short => u64::from(short),
            };
            if length > LONGEST {
                return Err(Error::Message(format!(
                    "the server sent a WebSocket frame of {length} bytes"
                )));
            }
            // Fits: it was just compared with a small constant.
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await?;
            match head[0] & 0x0f {
                // Continuations of a channel's message carry no channel byte;
                // the API server never fragments.
                0x1 | 0x2 => return Ok(Some(Frame::Binary(payload))),
                0x8 => return Ok(Some(Frame::Close)),
                0x9 => return Ok(Some(Frame::Ping(payload))),
                _ => {}
            }
        }
    }
}

impl Writer {
    /// Sends data on a channel.
    pub async fn binary(&mut self, channel: u8, data: &[u8]) -> Outcome {
        let mut message = Vec::with_capacity(data.len() + 1);
        message.push(channel);
        message.extend_from_slice(data);
        self.send(0x2, &message).await
    }

    /// Answers a ping.
    pub async fn pong(&mut self, payload: &[u8]) -> Outcome {
        self.send(0xa, payload).await
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Outcome {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            n @ 0..=125 => frame.push(0x80 | n as u8),
            n @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(n as u16).to_be_bytes());
            }
            n => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(n as u64).to_be_bytes());
            }
        }
        let mask = mask();
        frame.extend_from_slice(&mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(())
    }
}
