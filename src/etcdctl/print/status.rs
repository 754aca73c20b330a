//! Answers about endpoints and alarms.

use prost::Message as _;
use wire::etcdserverpb as pb;

use super::{Show, Style, fields, json, simple, tables};
use crate::table;

/// A line of `endpoint health`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointHealth {
    /// The endpoint as typed or as the member list has it.
    pub endpoint: String,
    /// Whether it answered and has no alarm.
    pub health: bool,
    /// How long the answer took; empty when nothing was asked.
    pub took: String,
    /// What is wrong; empty when nothing is.
    pub error: String,
}

/// A line of `endpoint status`.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStatus {
    /// The endpoint as typed or as the member list has it.
    pub endpoint: String,
    /// The answer.
    pub response: pb::StatusResponse,
}

/// A line of `endpoint hashkv`.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointHash {
    /// The endpoint as typed or as the member list has it.
    pub endpoint: String,
    /// The answer.
    pub response: pb::HashKvResponse,
}

impl Show for [EndpointHealth] {
    /// The unhealthy ones go to standard error.
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        for line in self {
            if line.error.is_empty() {
                let text = format!(
                    "{} is healthy: successfully committed proposal: took = {}\n",
                    line.endpoint, line.took
                );
                out.extend_from_slice(text.as_bytes());
            } else {
                tell!(
                    "{} is unhealthy: failed to commit proposal: {}",
                    line.endpoint,
                    line.error
                );
            }
        }
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::health(self, out);
        true
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(json::health(self))
    }
    fn table(&self) -> Option<String> {
        let (header, rows) = tables::health(self);
        Some(table::render(header, &rows))
    }
}

impl Show for [EndpointStatus] {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        simple::rows(&tables::status(self).1, out);
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::status(self, out);
        true
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(json::status(self))
    }
    fn table(&self) -> Option<String> {
        let (header, rows) = tables::status(self);
        Some(table::render(header, &rows))
    }
}

impl Show for [EndpointHash] {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        simple::rows(&tables::hashes(self).1, out);
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::hashes(self, out);
        true
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(json::hashes(self))
    }
    fn table(&self) -> Option<String> {
        let (header, rows) = tables::hashes(self);
        Some(table::render(header, &rows))
    }
}

/// `alarm list`, `alarm disarm`.
pub struct Alarms(pub pb::AlarmResponse);

impl Show for Alarms {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        for alarm in &self.0.alarms {
            out.extend_from_slice(simple::alarm(alarm).as_bytes());
        }
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::alarms(&self.0, out);
        true
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(json::alarms(&self.0))
    }
    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.0.encode_to_vec())
    }
}
