//! Output of services on its way into the journal.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;

use super::Manager;

impl Manager {
    /// Reads what a service has printed so far, so that it stands before its end
    /// in the journal.
    pub(super) fn drain(&mut self, name: &str) {
        for index in (0..self.pipes.len()).rev() {
            if self.pipes[index].unit == name {
                self.pump(index);
            }
        }
    }

    /// Moves output into the journal; a pipe that is closed is dropped.
    pub(in super::super) fn pump(&mut self, index: usize) {
        let mut bytes = [0; 65536];
        loop {
            let pipe = &mut self.pipes[index];
            match pipe.file.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    pipe.pending.extend_from_slice(&bytes[..length]);
                    while let Some(end) = pipe.pending.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = pipe.pending.drain(..=end).collect();
                        let text = String::from_utf8_lossy(&line[..end]);
                        self.journal
                            .write(&pipe.unit, &pipe.identifier, pipe.pid, &text);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => {
                    let pipe = self.pipes.remove(index);
                    if !pipe.pending.is_empty() {
                        let text = String::from_utf8_lossy(&pipe.pending);
                        self.journal
                            .write(&pipe.unit, &pipe.identifier, pipe.pid, &text);
                    }
                    return;
                }
            }
        }
    }
}

pub(super) fn set_nonblocking(file: &fs::File) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    debug_assert!(file.as_raw_fd() > 2, "standard streams are not ours");
    let _ = fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}
