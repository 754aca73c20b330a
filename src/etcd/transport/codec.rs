//! The two codecs of rafthttp's streams (`rafthttp/msg_codec.go`,
//! `msgappv2_codec.go`). All numbers are big-endian.
//!
//! *message*: length (8 bytes), then a `raftpb.Message`.
//!
//! *msgAppV2*: a type byte; 0 is a heartbeat of the link, 2 a whole message as
//! above, 1 entries that follow the last ones: their number, each with its
//! length, then the commit index. Both sides remember term and index of what
//! went before.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::raftpb::{Entry, Message, MessageType};

/// The most that one message of a stream may hold, in bytes.
pub const MESSAGE_LIMIT: u64 = 512 * 1024 * 1024;
/// The most that the message before a snapshot may claim, in bytes. The message
/// carries the v2 store, which is small; it is read piece by piece.
pub const SNAPSHOT_MESSAGE_LIMIT: u64 = 1024 * 1024 * 1024 * 1024;

const LINK_HEARTBEAT: u8 = 0;
const APP_ENTRIES: u8 = 1;
const APP: u8 = 2;

/// A message that only says that the link is alive.
#[must_use]
pub fn is_link_heartbeat(message: &Message) -> bool {
    message.r#type() == MessageType::MsgHeartbeat && message.from == 0 && message.to == 0
}

/// The message that only says that the link is alive.
#[must_use]
pub fn link_heartbeat() -> Message {
    let mut message = Message::default();
    message.set_type(MessageType::MsgHeartbeat);
    message
}

/// Which codec a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything but appends.
    Message,
    /// Appends.
    MsgAppV2,
}

impl Kind {
    /// The reference's name for logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "stream Message",
            Self::MsgAppV2 => "stream MsgApp v2",
        }
    }

    /// The part of the path after `/raft/stream/`.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::MsgAppV2 => "msgapp",
        }
    }
}

fn put_length(out: &mut BytesMut, length: usize) {
    // A length in memory always fits.
    out.put_u64(length as u64);
}

fn put_message(out: &mut BytesMut, message: &Message) {
    put_length(out, message.encoded_len());
    // Encoding into a growing buffer does not fail.
    let _ = message.encode(out);
}

/// Writes messages in either codec.
#[derive(Debug)]
pub struct Encoder {
    kind: Kind,
    term: u64,
    index: u64,
}

impl Encoder {
    /// At the start of a stream.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            term: 0,
            index: 0,
        }
    }

    /// Appends one message.
    pub fn encode(&mut self, message: &Message, out: &mut BytesMut) {
        match self.kind {
            Kind::Message => put_message(out, message),
            Kind::MsgAppV2 if is_link_heartbeat(message) => out.put_u8(LINK_HEARTBEAT),
            Kind::MsgAppV2
                if self.index == message.index
                    && self.term == message.log_term
                    && message.log_term == message.term =>
            {
                out.put_u8(APP_ENTRIES);
                put_length(out, message.entries.len());
                for entry in &message.entries {
                    put_length(out, entry.encoded_len());
                    // Encoding into a growing buffer does not fail.
                    let _ = entry.encode(out);
                    self.index += 1;
                }
                out.put_u64(message.commit);
            }
            Kind::MsgAppV2 => {
                out.put_u8(APP);
                put_message(out, message);
                self.term = message.term;
                self.index = message
                    .entries
                    .last()
                    .map_or(message.index, |entry| entry.index);
            }
        }
    }
}

/// Reads messages in either codec.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    local: u64,
    remote: u64,
    term: u64,
    index: u64,
}

fn broken(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Reads exactly so many bytes; memory grows only as they arrive.
async fn read_bytes(reader: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<Bytes> {
    const FIRST: u64 = 1024 * 1024;
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(FIRST)).unwrap_or_default());
    reader.take(length).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != length {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "unexpected EOF",
        ));
    }
    Ok(Bytes::from(bytes))
}

/// Reads a length and a message no longer than `limit` bytes.
///
/// # Errors
/// The connection's, or that the message is too long or none.
pub async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
    limit: u64,
) -> io::Result<Message> {
    let length = reader.read_u64().await?;
    if length > limit {
        return Err(broken("rafthttp: error limit exceeded"));
    }
    Message::decode(read_bytes(reader, length).await?).map_err(|error| broken(error.to_string()))
}

impl Decoder {
    /// At the start of a stream from `remote` to `local`.
    #[must_use]
    pub fn new(kind: Kind, local: u64, remote: u64) -> Self {
        Self {
            kind,
            local,
            remote,
            term: 0,
            index: 0,
        }
    }

    /// The next message; link heartbeats come out too.
    ///
    /// # Errors
    /// `UnexpectedEof` at the stream's end, else what broke it.
    pub async fn decode(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
        if self.kind == Kind::Message {
            return read_message(reader, MESSAGE_LIMIT).await;
        }
        match reader.read_u8().await? {
            LINK_HEARTBEAT => Ok(link_heartbeat()),
            APP_ENTRIES => self.entries(reader).await,
            APP => {
                let message = read_message(reader, MESSAGE_LIMIT).await?;
                self.term = message.term;
                self.index = message
                    .entries
                    .last()
                    .map_or(message.index, |entry| entry.index);
                Ok(message)
            }
            other => Err(broken(format!(
                "failed to parse type {other} in msgappv2 stream"
            ))),
        }
    }

    async fn entries(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
        let mut message = Message {
            from: self.remote,
            to: self.local,
            term: self.term,
            log_term: self.term,
            index: self.index,
            ..Message::default()
        };
        message.set_type(MessageType::MsgApp);
        let mut left = MESSAGE_LIMIT;
        for _ in 0..reader.read_u64().await? {
            let length = reader.read_u64().await?;
            left = left
                .checked_sub(length)
                .ok_or_else(|| broken("rafthttp: error limit exceeded"))?;
            let entry = Entry::decode(read_bytes(reader, length).await?)
                .map_err(|error| broken(error.to_string()))?;
            message.entries.push(entry);
            self.index += 1;
        }
        message.commit = reader.read_u64().await?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(
        term: u64,
        log_term: u64,
        index: u64,
        entries: &[(u64, u64)],
        commit: u64,
    ) -> Message {
        let mut message = Message {
            from: 1,
            to: 2,
            term,
            log_term,
            index,
            commit,
            ..Message::default()
        };
        message.set_type(MessageType::MsgApp);
        message.entries = entries
            .iter()
            .map(|&(term, index)| Entry {
                term,
                index,
                data: Some(Bytes::from_static(b"d")),
                ..Entry::default()
            })
            .collect();
        message
    }

    async fn round_trip(kind: Kind, messages: &[Message]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(kind), BytesMut::new());
        for message in messages {
            encoder.encode(message, &mut out);
        }
        let (mut decoder, mut reader) = (Decoder::new(kind, 2, 1), &out[..]);
        for message in messages {
            assert_eq!(
                &decoder.decode(&mut reader).await.expect("what was written"),
                message
            );
        }
        assert!(
            decoder
                .decode(&mut reader)
                .await
                .is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        );
        out.to_vec()
    }

    #[tokio::test]
    async fn appends_that_follow_are_sent_as_bare_entries() {
        let messages = [
            append(1, 1, 1, &[], 0),
            append(1, 1, 1, &[(1, 2), (1, 3)], 1),
            link_heartbeat(),
            append(1, 1, 3, &[], 3),
            append(2, 1, 3, &[(2, 4)], 3),
            append(2, 2, 4, &[(2, 5)], 4),
        ];
        let bytes = round_trip(Kind::MsgAppV2, &messages).await;
        let whole = 1 + 8 + messages[0].encoded_len();
        assert_eq!((bytes[0], bytes[whole]), (APP, APP_ENTRIES));
        // After the first whole message: two entries, heartbeat, an empty append.
        let entries: usize = messages[1]
            .entries
            .iter()
            .map(|entry| 8 + entry.encoded_len())
            .sum();
        let heartbeat = whole + 1 + 8 + entries + 8;
        assert_eq!(bytes[heartbeat], LINK_HEARTBEAT);
        assert_eq!(bytes[heartbeat + 1], APP_ENTRIES);
        assert_eq!(bytes[heartbeat + 1 + 1 + 8 + 8], APP);
    }

    #[tokio::test]
    async fn messages_are_framed_by_their_length() {
        let bytes = round_trip(
            Kind::Message,
            &[link_heartbeat(), append(1, 1, 1, &[(1, 2)], 1)],
        )
        .await;
        assert_eq!(usize::from(bytes[7]), link_heartbeat().encoded_len());
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused() {
        let mut reader = &u64::MAX.to_be_bytes()[..];
        let error = read_message(&mut reader, MESSAGE_LIMIT)
            .await
            .expect_err("too long");
        assert_eq!(error.to_string(), "rafthttp: error limit exceeded");
    }
}
