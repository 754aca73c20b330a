//! Log lines in the shape of klog, on standard error (`k8s.io/klog/v2` 2.130,
//! `internal/buffer/buffer.go`, `FormatHeader`).

use std::{fmt::Write, panic::Location, path::Path};

/// Severity, time, process, and the file and line of the caller.
fn header(severity: char, place: &Location<'_>) -> String {
    let file = Path::new(place.file()).file_name().unwrap_or_default();
    format!(
        "{severity}{} {:>7} {}:{}] ",
        jiff::Zoned::now().strftime("%m%d %H:%M:%S%.6f"),
        std::process::id(),
        file.to_string_lossy(),
        place.line()
    )
}

fn structured(severity: char, place: &Location<'_>, message: &str, fields: &[(&str, &str)]) {
    let mut text = header(severity, place);
    let _ = write!(text, "{message:?}");
    for (key, value) in fields {
        let _ = write!(text, " {key}={value:?}");
    }
    eprintln!("{text}");
}

/// A structured message with its fields, as `klog.InfoS` prints it.
#[track_caller]
pub fn info_s(message: &str, fields: &[(&str, &str)]) {
    structured('I', Location::caller(), message, fields);
}

/// A structured message with its fields, as `klog.ErrorS` prints it.
#[track_caller]
pub fn error_s(message: &str, fields: &[(&str, &str)]) {
    structured('E', Location::caller(), message, fields);
}

/// A line of text, as `klog.Info` prints it.
#[track_caller]
pub fn info(text: &str) {
    eprintln!("{}{text}", header('I', Location::caller()));
}

/// A line of text, as `klog.Warning` prints it.
#[track_caller]
pub fn warning(text: &str) {
    eprintln!("{}{text}", header('W', Location::caller()));
}

/// A line of text, as `klog.Error` prints it.
#[track_caller]
pub fn error(text: &str) {
    eprintln!("{}{text}", header('E', Location::caller()));
}

/// A line of text, and the end of the process with the status of `klog.Fatal`.
#[track_caller]
pub fn fatal(text: &str) -> ! {
    eprintln!("{}{text}", header('F', Location::caller()));
    std::process::exit(255)
}
