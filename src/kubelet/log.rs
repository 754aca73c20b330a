//! The kubelet's own log, in the shape of klog.

use std::fmt::Write;

fn line(severity: char, message: &str, fields: &[(&str, &str)]) {
    let now = jiff::Zoned::now();
    let mut text = format!(
        "{severity}{} {:>7} kubelet.go:1] {message:?}",
        now.strftime("%m%d %H:%M:%S%.6f"),
        std::process::id()
    );
    for (key, value) in fields {
        let _ = write!(text, " {key}={value:?}");
    }
    eprintln!("{text}");
}

pub fn info(message: &str, fields: &[(&str, &str)]) {
    line('I', message, fields);
}

pub fn error(message: &str, fields: &[(&str, &str)]) {
    line('E', message, fields);
}
