//! Log lines in the shape of klog (`k8s.io/klog/v2` 2.130, `internal/buffer/buffer.go`,
//! `FormatHeader`). Who writes them brings the time and the process.

use std::{fmt::Write, panic::Location, path::Path};

/// What a line begins with: severity (`I`, `W`, `E`, `F`), time, process, and the file and
/// line of the caller.
pub fn header(severity: char, now: &jiff::Zoned, process: u32, place: &Location<'_>) -> String {
    let file = Path::new(place.file()).file_name().unwrap_or_default();
    format!(
        "{severity}{} {process:>7} {}:{}] ",
        now.strftime("%m%d %H:%M:%S%.6f"),
        file.to_string_lossy(),
        place.line()
    )
}

/// A message with its fields, as `klog.InfoS` and `klog.ErrorS` print it.
pub fn structured(message: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("{message:?}");
    for (key, value) in fields {
        let _ = write!(text, " {key}={value:?}");
    }
    text
}
