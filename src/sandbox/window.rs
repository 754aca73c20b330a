//! How wide a terminal is.

use std::os::fd::{AsFd, AsRawFd as _};

use nix::libc;
use nix::pty::Winsize;

nix::ioctl_read_bad!(get_window, libc::TIOCGWINSZ, Winsize);

/// The columns of the terminal `of`; `None` if it is none or does not say.
pub fn columns(of: impl AsFd) -> Option<usize> {
    let mut window = Winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open while `of` lives, and the kernel writes one `Winsize`.
    let told = unsafe { get_window(of.as_fd().as_raw_fd(), &raw mut window) };
    told.ok()?;
    Some(usize::from(window.ws_col)).filter(|columns| *columns > 0)
}
