//! Passwords: after the colon of a name, or typed.

use std::io::{self, Read};

use crate::password;

/// Splits `name:password`; asks for the password if there is no colon.
pub fn of(user: &str, prompt: &str) -> io::Result<(String, String)> {
    match user.split_once(':') {
        Some((name, password)) => Ok((name.to_owned(), password.to_owned())),
        None => Ok((user.to_owned(), ask(prompt)?)),
    }
}

/// Asks for a line that the terminal does not show.
pub fn ask(prompt: &str) -> io::Result<String> {
    let line = password::ask_with(prompt, read_line)?;
    Ok(line.trim_end_matches('\r').to_owned())
}

/// Reads a byte at a time, so that what follows the line is left for the next reader.
fn read_line(input: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte)? == 1 {
        match byte[0] {
            b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
            byte => line.push(byte),
        }
    }
    // Go's reader wants the line feed.
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"))
}
