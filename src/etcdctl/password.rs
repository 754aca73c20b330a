//! Asking for a password: a prompt on standard output, a line of standard input,
//! which a terminal does not show meanwhile.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

/// Asks; the answer is without spaces around it, and empty at the end of the input.
pub fn ask(prompt: &str) -> io::Result<String> {
    ask_with(prompt, read_line).map(|line| line.trim().to_owned())
}

/// Asks, and has `read` take the answer, which a terminal does not show meanwhile.
pub fn ask_with(
    prompt: &str,
    read: impl FnOnce(&mut io::Stdin) -> io::Result<String>,
) -> io::Result<String> {
    let mut out = io::stdout();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let line = {
        let _quiet = Quiet::begin();
        read(&mut io::stdin())?
    };
    // The line feed that ended the answer was not shown.
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(line)
}

/// Reads a byte at a time, so that what follows the line is left for the next reader.
fn read_line(input: &mut impl io::Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// The first word of standard input; empty when its first line has none.
pub fn read_word() -> io::Result<String> {
    let mut line = String::new();
    for byte in io::stdin().lock().bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte as char),
        }
    }
    Ok(line.split_whitespace().next().unwrap_or("").to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped or a signal
/// ends the program.
struct Quiet {
    before: Option<Termios>,
    watching: Option<signal_hook::iterator::Handle>,
}

impl Quiet {
    fn begin() -> Self {
        let stdin = io::stdin();
        let before = match stdin.is_terminal() {
            true => termios::tcgetattr(&stdin).ok(),
            false => None,
        };
        let watching = before.clone().and_then(restore_at_signals);
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_flags.remove(LocalFlags::ECHO);
            // A terminal that can't be quiet shows the password; asking matters more.
            let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &quiet);
        }
        Self { before, watching }
    }
}

/// Ctrl-C must not leave a terminal behind that shows nothing.
fn restore_at_signals(before: Termios) -> Option<signal_hook::iterator::Handle> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]).ok()?;
    let handle = signals.handle();
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Some(handle)
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(watching) = &self.watching {
            watching.close();
        }
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_line;

    #[test]
    fn a_line_at_a_time() {
        let mut input = &b"one\r\ntwo"[..];
        assert_eq!(read_line(&mut input).unwrap(), "one\r");
        assert_eq!(read_line(&mut input).unwrap(), "two");
        assert_eq!(read_line(&mut input).unwrap(), "");
    }
}
