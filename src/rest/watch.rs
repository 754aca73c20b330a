//! The stream of a watch.

use bytes::{Buf, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::Error;

/// One change.
#[derive(Debug, Clone)]
pub enum Event {
    /// Added or modified.
    Applied(Value),
    Deleted(Value),
    /// Only the resourceVersion of the object means something.
    Bookmark(Value),
}

/// A running watch; dropping it ends it.
pub struct Watch {
    body: Incoming,
    buffer: BytesMut,
}

impl Watch {
    pub(crate) fn new(body: Incoming) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
        }
    }

    /// The next event, or `None` when the server ended the watch. May be dropped and
    /// called again.
    ///
    /// # Errors
    /// The connection broke, or the server sent an error (410 means: list again).
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end);
                self.buffer.advance(1);
                if line.is_empty() {
                    continue;
                }
                return event(&line).map(Some);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::Connection(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

fn event(line: &[u8]) -> Result<Event, Error> {
    let broken = |what: &str| Error::Connection(format!("a watch event {what}"));
    let mut event: Value =
        serde_json::from_slice(line).map_err(|error| broken(&format!("is no JSON: {error}")))?;
    let object = event["object"].take();
    match event["type"].as_str() {
        Some("ADDED" | "MODIFIED") => Ok(Event::Applied(object)),
        Some("DELETED") => Ok(Event::Deleted(object)),
        Some("BOOKMARK") => Ok(Event::Bookmark(object)),
        Some("ERROR") => {
            let code = object["code"]
                .as_u64()
                .and_then(|code| u16::try_from(code).ok());
            let code = code.and_then(|code| StatusCode::from_u16(code).ok());
            Err(Error::Status {
                code: code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                status: Box::new(object),
            })
        }
        _ => Err(broken("has no known type")),
    }
}
