//! Passwords: after the colon of a name, or typed.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use nix::sys::termios::{self, LocalFlags, SetArg};

/// Splits `name:password`; asks for the password if there is no colon.
pub fn of(user: &str, prompt: &str) -> io::Result<(String, String)> {
    match user.split_once(':') {
        Some((name, password)) => Ok((name.to_owned(), password.to_owned())),
        None => Ok((user.to_owned(), ask(prompt)?)),
    }
}

/// Asks for a line that the terminal does not show.
pub fn ask(prompt: &str) -> io::Result<String> {
    let mut out = io::stdout();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let stdin = io::stdin();
    let before = stdin
        .is_terminal()
        .then(|| termios::tcgetattr(&stdin).ok())
        .flatten();
    if let Some(before) = &before {
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        // A terminal that can't be quiet shows the password; asking matters more.
        let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &quiet);
    }
    let line = read_line(&mut io::stdin());
    if let Some(before) = &before {
        let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, before);
    }
    let line = line?;
    // The line feed that ended the answer was not shown.
    out.write_all(b"\n")?;
    Ok(line.trim_end_matches('\r').to_owned())
}

/// Reads a byte at a time, so that what follows the line is left for the next reader.
fn read_line(input: &mut impl io::Read) -> io::Result<String> {
    let mut line = Vec::new();
    for byte in input.bytes() {
        match byte? {
            b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
            byte => line.push(byte),
        }
    }
    // Go's reader wants the line feed.
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"))
}
