//! Errors of the operating system in Go's words.

use std::{io, path::Path};

use gowords::errno;

use super::quote::quote;

/// A Go `PathError`: `open a.db: no such file or directory`.
pub fn path_error(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("{operation} {}: {}", path.display(), errno(error))
}

/// Why a program can't be run, in the words of `os/exec`.
pub fn exec_error(program: &[u8], error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if !program.contains(&b'/') => {
            format!(
                "exec: {}: executable file not found in $PATH",
                quote(program)
            )
        }
        _ => format!(
            "fork/exec {}: {}",
            String::from_utf8_lossy(program),
            errno(error)
        ),
    }
}

/// The name of a signal in Go's `syscall` package.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
