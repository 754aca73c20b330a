//! The kubelet's own log, in the shape of klog.

use std::panic::Location;

use kube::klog;

fn line(severity: char, place: &Location<'_>, message: &str, fields: &[(&str, &str)]) {
    let header = klog::header(severity, &jiff::Zoned::now(), std::process::id(), place);
    eprintln!("{header}{}", klog::structured(message, fields));
}

#[track_caller]
pub fn info(message: &str, fields: &[(&str, &str)]) {
    line('I', Location::caller(), message, fields);
}

#[track_caller]
pub fn error(message: &str, fields: &[(&str, &str)]) {
    line('E', Location::caller(), message, fields);
}
