//! What commands print: one file a format. Bytes of keys and values go to
//! standard output as they are.

pub mod fields;
pub mod json;
pub mod simple;
mod status;
pub mod tables;

use std::io::Write as _;

use prost::Message;
use wire::etcdserverpb as pb;

use crate::exit::{Exit, Outcome, code};

pub use status::{Alarms, EndpointHash, EndpointHealth, EndpointStatus};

/// `--write-out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Simple,
    /// One field a line.
    Fields,
    /// JSON.
    Json,
    /// The message as it came.
    Protobuf,
    /// A table.
    Table,
}

impl Format {
    /// Reads the value of `--write-out`.
    pub fn parse(name: &str) -> Result<Self, Exit> {
        Ok(match name {
            "simple" => Self::Simple,
            "fields" => Self::Fields,
            "json" => Self::Json,
            "protobuf" => Self::Protobuf,
            "table" => Self::Table,
            _ => return Err(Exit::new(code::BAD_FEATURE, "unsupported output format")),
        })
    }

    /// As `--write-out` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Fields => "fields",
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::Table => "table",
        }
    }
}

/// A response in the formats it has.
pub trait Show {
    /// For people.
    fn simple(&self, style: Style, out: &mut Vec<u8>);
    /// One field a line; false when there is no such form.
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }
    /// JSON; `None` when there is no such form.
    fn json(&self, hex: bool) -> Option<String>;
    /// The bytes; `None` when there is no such form.
    fn protobuf(&self) -> Option<Vec<u8>> {
        None
    }
    /// A table; `None` when there is no such form.
    fn table(&self) -> Option<String> {
        None
    }
}

/// Habits of the simple format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Keys and values as `\x61`.
    pub hex: bool,
    /// Values without their keys.
    pub value_only: bool,
}

/// Prints responses in one format.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// Which.
    pub format: Format,
    /// How, when simple.
    pub style: Style,
}

impl Printer {
    /// Prints a response to standard output.
    pub fn show(&self, response: &(impl Show + ?Sized)) -> Outcome {
        let mut out = Vec::new();
        let done = match self.format {
            Format::Simple => {
                response.simple(self.style, &mut out);
                true
            }
            Format::Fields => response.fields(&mut out),
            Format::Json => push_line(&mut out, response.json(self.style.hex)),
            Format::Protobuf => response.protobuf().map(|bytes| out = bytes).is_some(),
            Format::Table => response
                .table()
                .map(|text| out = text.into_bytes())
                .is_some(),
        };
        if !done {
            let text = format!("{} not supported as output format", self.format.name());
            return Err(Exit::new(code::BAD_FEATURE, text));
        }
        stdout(&out)
    }
}

fn push_line(out: &mut Vec<u8>, line: Option<String>) -> bool {
    let Some(line) = line else { return false };
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
    true
}

/// Writes to standard output. A reader that has gone ends the program quietly,
/// with the status that a shell gives to a broken pipe.
pub fn stdout(bytes: &[u8]) -> Outcome {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Exit::silent(141)),
        // Go's Println drops other errors, too.
        _ => Ok(()),
    }
}

fn header(header: Option<&pb::ResponseHeader>) -> pb::ResponseHeader {
    header.copied().unwrap_or_default()
}

/// A response of a call, as itself: every message that has a simple form.
macro_rules! show {
    ($message:ty, $simple:path, $fields:expr, $json:path) => {
        impl Show for $message {
            fn simple(&self, style: Style, out: &mut Vec<u8>) {
                $simple(self, style, out);
            }
            fn fields(&self, out: &mut Vec<u8>) -> bool {
                let form: Option<fn(&$message, &mut Vec<u8>)> = $fields;
                form.map(|write| write(self, out)).is_some()
            }
            fn json(&self, _: bool) -> Option<String> {
                Some($json(self))
            }
            fn protobuf(&self) -> Option<Vec<u8>> {
                Some(self.encode_to_vec())
            }
        }
    };
}

show!(
    pb::RangeResponse,
    simple::get,
    Some(fields::get),
    json::range
);
show!(pb::PutResponse, simple::put, Some(fields::put), json::put);
show!(
    pb::DeleteRangeResponse,
    simple::del,
    Some(fields::del),
    json::delete
);
show!(pb::TxnResponse, simple::txn, Some(fields::txn), json::txn);
show!(
    pb::WatchResponse,
    simple::watch,
    Some(fields::watch),
    json::watch
);

/// The answer of `lease grant` and of its kin has the header's fields beside its
/// own; as protobuf only the header can be had.
macro_rules! show_lease {
    ($message:ty, $simple:path, $fields:path, $json:path) => {
        impl Show for $message {
            fn simple(&self, style: Style, out: &mut Vec<u8>) {
                $simple(self, style, out);
            }
            fn fields(&self, out: &mut Vec<u8>) -> bool {
                $fields(self, out);
                true
            }
            fn json(&self, _: bool) -> Option<String> {
                Some($json(self))
            }
            fn protobuf(&self) -> Option<Vec<u8>> {
                Some(header(self.header.as_ref()).encode_to_vec())
            }
        }
    };
}

show_lease!(
    pb::LeaseGrantResponse,
    simple::grant,
    fields::grant,
    json::grant
);
show_lease!(
    pb::LeaseKeepAliveResponse,
    simple::keep_alive,
    fields::keep_alive,
    json::keep_alive
);
show_lease!(
    pb::LeaseLeasesResponse,
    simple::leases,
    fields::leases,
    json::leases
);

/// `lease timetolive`, which shows keys only when asked.
pub struct TimeToLive<'a> {
    /// The answer.
    pub response: &'a pb::LeaseTimeToLiveResponse,
    /// `--keys`.
    pub keys: bool,
}

impl Show for TimeToLive<'_> {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        simple::time_to_live(self.response, self.keys, out);
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::time_to_live(self.response, out);
        true
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(json::time_to_live(self.response))
    }
    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header(self.response.header.as_ref()).encode_to_vec())
    }
}

/// An answer that is a sentence for people.
pub struct Sentence {
    /// The sentence; empty when a list has nothing in it.
    pub text: String,
    /// The answer as JSON.
    pub json: String,
    /// The answer as it came; `None` when the reference can't print it.
    pub protobuf: Option<Vec<u8>>,
    /// One field a line; `None` when the reference can't print it.
    pub fields: Option<Vec<u8>>,
}

impl Show for Sentence {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text.as_bytes());
        if !self.text.is_empty() {
            out.push(b'\n');
        }
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.fields.as_deref().unwrap_or_default());
        self.fields.is_some()
    }
    fn json(&self, _: bool) -> Option<String> {
        Some(self.json.clone())
    }
    fn protobuf(&self) -> Option<Vec<u8>> {
        self.protobuf.clone()
    }
}

impl Show for pb::MemberListResponse {
    fn simple(&self, _: Style, out: &mut Vec<u8>) {
        simple::rows(&tables::members(self).1, out);
    }
    fn fields(&self, out: &mut Vec<u8>) -> bool {
        fields::members(self, out);
        true
    }
    fn json(&self, hex: bool) -> Option<String> {
        Some(if hex {
            json::member_list_hex(self)
        } else {
            json::member_list(self)
        })
    }
    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
    fn table(&self) -> Option<String> {
        let (header, rows) = tables::members(self);
        Some(crate::table::render(header, &rows))
    }
}
