//! Messages as bytes. What a call needs of HTTP/2 and gRPC is compiled once for them, and
//! not for each pair of request and answer: that was half of this room's machine code.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};

/// Takes messages that are encoded, and gives such.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// What the bytes of an answer say. The words are those of gRPC for Rust, the code is the
/// one that clients of the reference see.
pub fn decode<R: prost::Message + Default>(message: Bytes) -> Result<R, Status> {
    R::decode(message).map_err(|error| Status::internal(error.to_string()))
}

/// The answers of a stream.
#[derive(Debug)]
pub struct Messages<R> {
    inner: Streaming<Bytes>,
    kind: PhantomData<fn() -> R>,
}

impl<R: prost::Message + Default> Messages<R> {
    /// `inner` carries messages of the kind `R`.
    pub fn new(inner: Streaming<Bytes>) -> Self {
        Self {
            inner,
            kind: PhantomData,
        }
    }

    /// The next one; `None` at the stream's end.
    pub async fn message(&mut self) -> Result<Option<R>, Status> {
        self.inner.message().await?.map(decode).transpose()
    }
}
