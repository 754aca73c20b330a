//! `ssh NODE` between the nodes of a fabric, without a password: the network is
//! the lab's own and everyone in it is root. Not the SSH protocol: a line of
//! JSON that says what to run, then frames.

mod client;
mod copy;
mod server;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde::{Deserialize, Serialize};

pub(crate) use client::run;
pub(crate) use copy::run as run_copy;
pub(crate) use server::serve;

/// Where every node listens.
const PORT: u16 = 22;

/// What the client wants.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    user: String,
    /// A line for the user's shell; `None`: the shell itself.
    command: Option<String>,
    tty: bool,
    term: String,
    columns: u16,
    rows: u16,
}

/// Kinds of frames, the first byte of each; then the length, 32 bits big-endian.
const INPUT: u8 = b'i';
const INPUT_END: u8 = b'e';
const WINDOW: u8 = b'w';
const OUTPUT: u8 = b'o';
const ERROR: u8 = b'r';
/// Its four bytes are the exit status, big-endian.
const EXIT: u8 = b'x';

/// The longest frame, so that a broken peer cannot ask for any memory.
const LONGEST: u32 = 1 << 20;

fn write_frame(mut stream: &TcpStream, kind: u8, bytes: &[u8]) -> io::Result<()> {
    // Never longer than what one read gives.
    let length = bytes.len() as u32;
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(kind);
    frame.extend(length.to_be_bytes());
    frame.extend(bytes);
    stream.write_all(&frame)
}

/// The next frame; `None` when the peer has closed.
fn read_frame(stream: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    if length > LONGEST {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes)?;
    Ok(Some((head[0], bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_bounds() {
        let mut bytes: &[u8] = b"o\0\0\0\x02hix\0\0\0\x04\0\0\0\x07";
        assert_eq!(
            read_frame(&mut bytes).expect("read"),
            Some((OUTPUT, b"hi".to_vec()))
        );
        assert_eq!(
            read_frame(&mut bytes).expect("read"),
            Some((EXIT, vec![0, 0, 0, 7]))
        );
        assert_eq!(read_frame(&mut bytes).expect("read"), None);
        let mut huge: &[u8] = b"o\xff\xff\xff\xff";
        assert!(read_frame(&mut huge).is_err());
        let mut torn: &[u8] = b"o\0\0\0\x09hi";
        assert!(read_frame(&mut torn).is_err());
    }
}
