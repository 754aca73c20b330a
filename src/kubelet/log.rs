//! The kubelet's own log, in the shape of klog.

use std::{fmt::Write, panic::Location, path::Path};

fn line(severity: char, place: &Location<'_>, message: &str, fields: &[(&str, &str)]) {
    let now = jiff::Zoned::now();
    let file = Path::new(place.file()).file_name().unwrap_or_default();
    let mut text = format!(
        "{severity}{} {:>7} {}:{}] {message:?}",
        now.strftime("%m%d %H:%M:%S%.6f"),
        std::process::id(),
        file.to_string_lossy(),
        place.line()
    );
    for (key, value) in fields {
        let _ = write!(text, " {key}={value:?}");
    }
    eprintln!("{text}");
}

#[track_caller]
pub fn info(message: &str, fields: &[(&str, &str)]) {
    line('I', Location::caller(), message, fields);
}

#[track_caller]
pub fn error(message: &str, fields: &[(&str, &str)]) {
    line('E', Location::caller(), message, fields);
}
