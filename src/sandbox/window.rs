//! How large a terminal is.

use std::os::fd::{AsFd, AsRawFd as _};

use nix::libc;
use nix::pty::Winsize;

nix::ioctl_read_bad!(get_window, libc::TIOCGWINSZ, Winsize);

/// The columns of the terminal `of`; `None` if it is none or does not say.
pub fn columns(of: impl AsFd) -> Option<usize> {
    size(of).map(|(columns, _)| usize::from(columns))
}

/// Its columns and rows; `None` if it is no terminal or has no columns.
pub(crate) fn size(of: impl AsFd) -> Option<(u16, u16)> {
    let mut window = Winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open while `of` lives, and the kernel writes one `Winsize`.
    let told = unsafe { get_window(of.as_fd().as_raw_fd(), &raw mut window) };
    told.ok()?;
    (window.ws_col > 0).then_some((window.ws_col, window.ws_row))
}
