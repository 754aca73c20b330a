//! The log of the API server, the controllers and the scheduler, in the shape of klog.

use std::panic::Location;

use kube::klog;

fn line(severity: char, place: &Location<'_>, text: &str) {
    let header = klog::header(severity, &jiff::Zoned::now(), std::process::id(), place);
    eprintln!("{header}{text}");
}

#[track_caller]
pub fn info(text: &str) {
    line('I', Location::caller(), text);
}

#[track_caller]
pub fn warning(text: &str) {
    line('W', Location::caller(), text);
}

#[track_caller]
pub fn error(text: &str) {
    line('E', Location::caller(), text);
}

/// Ends the process, with the status of `klog.Fatal`.
#[track_caller]
pub fn fatal(text: &str) -> ! {
    line('F', Location::caller(), text);
    std::process::exit(255)
}
