//! Process 1 of a node.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::error::Result;
use crate::sys;

pub(crate) fn enable_at_first_boot(_unit: &str) -> Result<()> {
    Ok(())
}

pub(crate) fn run(_args: &[OsString]) -> ExitCode {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.add(Signal::SIGTERM);
    let _ = mask.thread_block();
    if let Ok(fd) = sys::inherited(crate::node::READY_FD) {
        let _ = fs::File::from(fd).write_all(b"r");
    }
    loop {
        if mask.wait() == Ok(Signal::SIGTERM) {
            return ExitCode::SUCCESS;
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
}
