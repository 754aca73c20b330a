//! `peer-link`: a line between two sites, as a relay of TCP in userspace that a lab can make
//! slow. Its configuration is a file of `name=value` lines:
//!
//! - `listen`: the address where it takes connections,
//! - `to`: the address to which it passes them on,
//! - `hold_ms`: for how long it holds back what comes from there, to send it all at once; 0
//!   for a good line. A change counts within a moment.
//!
//! A connection's first seconds are never held back, so that it comes about at all.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a new connection passes unhindered.
const OPENING: Duration = Duration::from_secs(3);
/// How often the file is read again.
const READ_AGAIN: Duration = Duration::from_millis(200);
/// What is held back of one connection at most, in bytes.
const MOST: usize = 1 << 20;

/// The applet; `args[0]` is its name, `args[1]` the file.
pub fn run(args: &[OsString]) -> ExitCode {
    let [_, file] = args else {
        eprintln!("usage: peer-link FILE");
        return ExitCode::from(2);
    };
    match relay(Path::new(file)) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("peer-link: {}: {error}", Path::new(file).display());
            ExitCode::FAILURE
        }
    }
}

fn relay(file: &Path) -> io::Result<std::convert::Infallible> {
    let settings = read(file)?;
    let named = |name: &str| {
        settings
            .get(name)
            .cloned()
            .ok_or_else(|| io::Error::other(format!("it says not {name}=ADDRESS:PORT")))
    };
    let (listen, to) = (named("listen")?, named("to")?);
    let hold = Arc::new(AtomicU64::new(hold_ms(&settings)));
    let listener = TcpListener::bind(&listen)
        .map_err(|error| io::Error::new(error.kind(), format!("listen={listen}: {error}")))?;
    eprintln!("peer-link: {listen} to {to}");
    let (watched, file) = (Arc::clone(&hold), file.to_owned());
    thread::spawn(move || watch(&file, &watched));
    loop {
        // A connection that ended before it was taken is no reason to stop.
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(READ_AGAIN);
            continue;
        };
        let (to, hold) = (to.clone(), Arc::clone(&hold));
        thread::spawn(move || {
            // Whoever is on the other side sees the connection end, and says so.
            let _ = connect(&client, &to, hold);
        });
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(file)?;
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn hold_ms(settings: &BTreeMap<String, String>) -> u64 {
    let said = settings.get("hold_ms");
    said.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn watch(file: &Path, hold: &AtomicU64) {
    loop {
        thread::sleep(READ_AGAIN);
        // A file that is being edited counts once it is whole again.
        if let Ok(settings) = read(file) {
            hold.store(hold_ms(&settings), Ordering::Relaxed);
        }
    }
}

fn connect(client: &TcpStream, to: &str, hold: Arc<AtomicU64>) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let result = hold_back(&server, client, &hold);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    result
}

/// Passes on what comes from `from`, all of a hold's time at once.
fn hold_back(mut from: &TcpStream, mut to: &TcpStream, hold: &AtomicU64) -> io::Result<()> {
    let opened = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    loop {
        from.set_read_timeout(None)?;
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut held = buffer[..count].to_vec();
        let mut ended = false;
        let until = Instant::now() + Duration::from_millis(hold.load(Ordering::Relaxed));
        while opened.elapsed() > OPENING && held.len() < MOST {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if ended {
                thread::sleep(left);
                break;
            }
            from.set_read_timeout(Some(left))?;
            match from.read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(count) => held.extend(&buffer[..count]),
                Err(error) if is_time_out(&error) => break,
                Err(error) => return Err(error),
            }
        }
        to.write_all(&held)?;
        if ended {
            return Ok(());
        }
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_names_and_values() {
        let settings = parse("# a line\nlisten = 127.0.0.1:1\nhold_ms=250\nnonsense\n");
        assert_eq!(settings["listen"], "127.0.0.1:1");
        assert_eq!(hold_ms(&settings), 250);
        assert_eq!(hold_ms(&parse("hold_ms=soon\n")), 0);
    }

    #[test]
    fn what_was_held_back_comes_whole_and_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut near = TcpStream::connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        let sink = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(sink.local_addr().unwrap()).unwrap();
        let (mut out, _) = sink.accept().unwrap();
        thread::spawn(move || hold_back(&far, &sender, &AtomicU64::new(700)));
        thread::sleep(OPENING + Duration::from_millis(100));
        let begun = Instant::now();
        near.write_all(b"one ").unwrap();
        thread::sleep(Duration::from_millis(100));
        near.write_all(b"two").unwrap();
        drop(near);
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        assert!(begun.elapsed() >= Duration::from_millis(700));
    }
}
