//! Log lines in the two shapes that the reference prints: zap's JSON for what
//! talks to a server, zap's console form for what works on files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use crate::json;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Progress.
    Info,
    /// Something that may need attention.
    Warn,
    /// A failure.
    Error,
    /// A failure that ends the program.
    Fatal,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Fatal => "fatal",
        }
    }
}

/// A named value on a log line, already written as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    json: String,
}

impl Field {
    /// A text.
    pub fn text(name: &'static str, value: &str) -> Self {
        let mut json = String::new();
        push_zap_string(&mut json, value);
        Self { name, json }
    }

    /// A number.
    pub fn number(name: &'static str, value: impl Into<i128>) -> Self {
        Self {
            name,
            json: value.into().to_string(),
        }
    }

    /// A list of texts; the separator of zap's JSON is a bare comma.
    pub fn texts(name: &'static str, values: &[String]) -> Self {
        let mut json = String::from("[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            push_zap_string(&mut json, value);
        }
        json.push(']');
        Self { name, json }
    }
}

/// zap escapes only what JSON demands, and bytes that aren't UTF-8.
fn push_zap_string(out: &mut String, value: &str) {
    json::push_string(out, value, json::Escape::Plain);
}

/// Lines such as `{"level":"warn","ts":"…","logger":"client","caller":"…","msg":"…",…}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json {
    logger: &'static str,
}

impl Json {
    /// A logger of that name; an empty name is left out.
    pub const fn new(logger: &'static str) -> Self {
        Self { logger }
    }

    /// Writes a line to standard error. `caller` is the place in the reference's
    /// source that writes the same line.
    pub fn write(self, level: Level, caller: &str, message: &str, fields: &[Field]) {
        let mut line = format!(
            "{{\"level\":\"{}\",\"ts\":\"{}\"",
            level.name(),
            now("%Y-%m-%dT%H:%M:%S%.6f")
        );
        if !self.logger.is_empty() {
            let _ = write!(line, ",\"logger\":\"{}\"", self.logger);
        }
        let _ = write!(line, ",\"caller\":\"{caller}\",\"msg\":");
        push_zap_string(&mut line, message);
        for field in fields {
            let _ = write!(line, ",\"{}\":{}", field.name, field.json);
        }
        line.push_str("}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Writes a tab-separated line with the fields as JSON at its end, as `etcdutl` does.
pub fn console(level: Level, caller: &str, message: &str, fields: &[Field]) {
    let mut line = format!(
        "{}\t{}\t{caller}\t{message}",
        now("%Y-%m-%dT%H:%M:%S"),
        level.name()
    );
    if !fields.is_empty() {
        line.push_str("\t{");
        for (index, field) in fields.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            // zap's console encoder puts a space after each comma and colon.
            let _ = write!(
                line,
                "{separator}\"{}\": {}",
                field.name,
                field.json.replace("\",\"", "\", \"")
            );
        }
        line.push('}');
    }
    line.push('\n');
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn now(format: &str) -> String {
    let zone = local_zone();
    let now = jiff::Timestamp::now().to_zoned(zone.clone());
    let mut text = now.strftime(format).to_string();
    let offset = now.offset().seconds();
    if offset == 0 {
        text.push('Z');
    } else if format.ends_with('f') {
        text.push_str(&now.strftime("%z").to_string());
    } else {
        text.push_str(&now.strftime("%:z").to_string());
    }
    text
}

/// The zone of `TZ`, else of `/etc/localtime`, else UTC.
pub fn local_zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| {
        let path = match std::env::var("TZ") {
            Ok(name) if name.is_empty() || name == "UTC" => return TimeZone::UTC,
            Ok(name) => {
                let name = name.trim_start_matches(':');
                if name.starts_with('/') {
                    name.to_owned()
                } else {
                    format!("/usr/share/zoneinfo/{name}")
                }
            }
            Err(_) => "/etc/localtime".to_owned(),
        };
        std::fs::read(path)
            .ok()
            .and_then(|bytes| TimeZone::tzif("Local", &bytes).ok())
            .unwrap_or(TimeZone::UTC)
    })
}
