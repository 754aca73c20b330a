//! The terminal in raw mode, and its size.

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::os::fd::AsFd as _;

/// Standard input's terminal in raw mode until dropped.
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Enters raw mode; `None` when standard input is no terminal.
    pub fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok()?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw).ok()?;
        Some(Self { before })
    }

    /// Columns and lines; 80 × 24 when the terminal does not know.
    pub fn size(&self) -> (u16, u16) {
        window_size().unwrap_or((80, 24))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, &self.before);
    }
}

/// The size as `stty size` tells it, which needs no unsafe call here.
fn window_size() -> Option<(u16, u16)> {
    let out = std::process::Command::new("stty")
        .arg("size")
        .stdin(std::process::Stdio::inherit())
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let (lines, columns) = text.trim().split_once(' ')?;
    Some((columns.parse().ok()?, lines.parse().ok()?)).filter(|(c, l)| *c > 0 && *l > 0)
}
