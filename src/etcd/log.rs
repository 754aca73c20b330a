//! Logs in the shape of etcd 3.5 (zap's JSON encoder, `client/pkg/logutil/zap.go`).
//!
//! One line is one JSON object: `level`, `ts`, optionally `logger`, `caller`,
//! `msg`, then the fields in the order in which they were given. `caller` names
//! the place in etcd 3.5.16 that says the same thing, because that is what an
//! operator looks up.
//!
//! There is one sink a process: an `etcd` process runs one member, and the words
//! must reach the operator from every task without a handle being passed along.
//! Until [`install`] is called, lines from `warn` upward go to standard error.

mod raft;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

pub use raft::{leader_changed, raft_logger};

/// How grave a line is; the order is zap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For a developer.
    Debug,
    /// For an operator who reads along.
    Info,
    /// Something an operator should look at.
    Warn,
    /// Something failed.
    Error,
    /// The reference's "this must not happen".
    Panic,
    /// Written just before the process gives up.
    Fatal,
}

impl Level {
    /// The word that stands in the line and behind `--log-level`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Fatal => "fatal",
        }
    }

    /// Reads a word as `--log-level` takes it; `None` for a word that zap does not know.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "debug" | "DEBUG" => Self::Debug,
            "info" | "INFO" | "" => Self::Info,
            "warn" | "WARN" => Self::Warn,
            "error" | "ERROR" => Self::Error,
            "panic" | "PANIC" | "dpanic" | "DPANIC" => Self::Panic,
            "fatal" | "FATAL" => Self::Fatal,
            _ => return None,
        })
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard error (`default`, `stderr`).
    Stderr,
    /// Standard output (`stdout`).
    Stdout,
    /// Appended to a file, which is made if need be.
    File(PathBuf),
    /// Thrown away (`/dev/null`).
    Nowhere,
}

enum Sink {
    Stderr,
    Stdout,
    File(File),
}

struct Installed {
    sinks: Vec<Sink>,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Warn as u8);
static SINKS: OnceLock<Mutex<Installed>> = OnceLock::new();

fn sinks() -> &'static Mutex<Installed> {
    SINKS.get_or_init(|| {
        Mutex::new(Installed {
            sinks: vec![Sink::Stderr],
        })
    })
}

/// Sends all further lines of at least `level` to every one of `outputs`.
///
/// # Errors
/// The error of the operating system, with the path, when a log file cannot be
/// opened for appending.
pub fn install(level: Level, outputs: &[Output]) -> io::Result<()> {
    let mut opened = Vec::new();
    for output in outputs {
        match output {
            Output::Stderr => opened.push(Sink::Stderr),
            Output::Stdout => opened.push(Sink::Stdout),
            Output::Nowhere => {}
            Output::File(path) => {
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(|error| {
                        // Zap's own words for a sink that does not open.
                        io::Error::new(
                            error.kind(),
                            format!(
                                "open sink {:?}: open {}: {}",
                                path.display().to_string(),
                                path.display(),
                                gowords::errno(&error)
                            ),
                        )
                    })?;
                opened.push(Sink::File(file));
            }
        }
    }
    sinks().lock().sinks = opened;
    LEVEL.store(level as u8, Ordering::Relaxed);
    Ok(())
}

/// Whether a line of this level would be written; saves building it.
#[must_use]
pub fn enabled(level: Level) -> bool {
    level as u8 >= LEVEL.load(Ordering::Relaxed)
}

/// Turns a field's value into JSON. A value that JSON cannot hold becomes the
/// text of the trouble, so that a log line never fails.
pub fn field(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// Writes one line. Prefer the macros [`crate::debug!`], [`crate::info!`],
/// [`crate::warn!`] and [`crate::error!`].
///
/// Errors of the sink are dropped: there is nowhere left to tell them.
pub fn write(
    level: Level,
    logger: Option<&str>,
    caller: &str,
    message: &str,
    fields: &[(&str, Value)],
) {
    if !enabled(level) {
        return;
    }
    let line = render(&now(), level, logger, caller, message, fields);
    let mut installed = sinks().lock();
    for sink in &mut installed.sinks {
        let _ = match sink {
            Sink::Stderr => io::stderr().lock().write_all(line.as_bytes()),
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            Sink::File(file) => file.write_all(line.as_bytes()),
        };
    }
}

/// Builds one line, its line feed included; pure, so that its shape is tested.
#[must_use]
pub fn render(
    ts: &str,
    level: Level,
    logger: Option<&str>,
    caller: &str,
    message: &str,
    fields: &[(&str, Value)],
) -> String {
    use fmt::Write as _;
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let mut line = String::with_capacity(160);
    // Writing to a string does not fail.
    let _ = write!(
        line,
        "{{\"level\":\"{}\",\"ts\":{}",
        level.name(),
        quoted(ts)
    );
    if let Some(logger) = logger {
        let _ = write!(line, ",\"logger\":{}", quoted(logger));
    }
    let _ = write!(
        line,
        ",\"caller\":{},\"msg\":{}",
        quoted(caller),
        quoted(message)
    );
    for (key, value) in fields {
        let _ = write!(line, ",{}:{}", quoted(key), value);
    }
    line.push_str("}\n");
    line
}

/// The present as `2006-01-02T15:04:05.000000Z0700` shows it.
fn now() -> String {
    let zoned = jiff::Zoned::now();
    let offset = if zoned.offset().is_zero() { "Z" } else { "%z" };
    zoned
        .strftime(&format!("%Y-%m-%dT%H:%M:%S%.6f{offset}"))
        .to_string()
}

/// Writes a line at a level: `caller`, message, then `"key" => value` pairs.
#[macro_export]
macro_rules! log_line {
    ($level:expr, $caller:expr, $message:expr $(, $key:literal => $value:expr)* $(,)?) => {
        if $crate::log::enabled($level) {
            $crate::log::write($level, None, $caller, ::core::convert::AsRef::<str>::as_ref(&$message), &[$(($key, $crate::log::field(&$value))),*]);
        }
    };
}
/// A line for a developer.
#[macro_export]
macro_rules! debug { ($($rest:tt)*) => { $crate::log_line!($crate::log::Level::Debug, $($rest)*) }; }
/// A line for an operator who reads along.
#[macro_export]
macro_rules! info { ($($rest:tt)*) => { $crate::log_line!($crate::log::Level::Info, $($rest)*) }; }
/// A line that an operator should look at.
#[macro_export]
macro_rules! warn { ($($rest:tt)*) => { $crate::log_line!($crate::log::Level::Warn, $($rest)*) }; }
/// A line that says that something failed.
#[macro_export]
macro_rules! error { ($($rest:tt)*) => { $crate::log_line!($crate::log::Level::Error, $($rest)*) }; }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_zaps_shape() {
        let fields = [
            ("args", field(["etcd", "--name"])),
            ("n", field(3_u64)),
            ("took", field("647.14µs")),
        ];
        assert_eq!(
            render(
                "2026-01-15T01:08:36.065703-0500",
                Level::Info,
                None,
                "etcdmain/etcd.go:73",
                "Running: ",
                &fields
            ),
            "{\"level\":\"info\",\"ts\":\"2026-01-15T01:08:36.065703-0500\",\"caller\":\"etcdmain/etcd.go:73\",\"msg\":\"Running: \",\"args\":[\"etcd\",\"--name\"],\"n\":3,\"took\":\"647.14µs\"}\n"
        );
        let line = render("t", Level::Warn, Some("raft"), "c", "a \"b\"\n", &[]);
        assert_eq!(
            line,
            "{\"level\":\"warn\",\"ts\":\"t\",\"logger\":\"raft\",\"caller\":\"c\",\"msg\":\"a \\\"b\\\"\\n\"}\n"
        );
    }

    #[test]
    fn the_time_has_six_digits_and_a_zone() {
        let text = now();
        let (_, fraction) = text.split_once('.').expect("a fraction of a second");
        assert!(fraction.ends_with('Z') || fraction.len() == 11, "{text}");
    }

    #[test]
    fn levels_are_read_back_from_their_names() {
        for level in [
            Level::Debug,
            Level::Info,
            Level::Warn,
            Level::Error,
            Level::Panic,
            Level::Fatal,
        ] {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("loud"), None);
    }
}
